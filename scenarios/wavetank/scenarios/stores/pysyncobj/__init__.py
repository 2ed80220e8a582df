"""PySyncObj: its journal as a store under test, and the engine as its journal.

General layout::

    store.py     PySyncObj's `FileJournal` as a store under test
    journal.py   the engine as a PySyncObj journal

Each module imports a package that a plain installation does not have: import the module, not this
package, and only where it is used.
"""

__all__: list[str] = []
