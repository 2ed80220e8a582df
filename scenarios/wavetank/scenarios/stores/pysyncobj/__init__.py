"""Other people's stores, plugged into the suite, and the engine, plugged into other people's.

General layout::

    store.py     PySyncObj's `FileJournal` as a store under test
    journal.py   the engine as a PySyncObj journal

Each module imports a package that a plain installation does not have: import the module, not this
package, and only where it is used.
"""

__all__: list[str] = []
