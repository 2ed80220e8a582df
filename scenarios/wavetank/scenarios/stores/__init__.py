"""Stores under test: how one is opened, what it declares, and how it is found by name.

adapter.py           `StoreAdapter`: a store's factory, name and declared capabilities; `Site`
capabilities.py      what a store may declare
completed_store.py   a store that lacks optional operations, completed to a `Storage`
python_stores.py     stores that use `open` and `os`, on the simulated disk
registry.py          the stores that ship, and any `package.module:factory`, by name
command/             a store in any language, behind a driver that answers line by line
raftlock/            a published Raft store's order of operations, its faults included
sqlite/              SQLite as a log store, in its modes of durability
pysyncobj/           PySyncObj's journal as a log store
"""
