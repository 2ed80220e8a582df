"""What becomes of the calls that are routed: the functions of `os`, `open`, `mmap` and `fcntl`.

General layout, from the bottom up::

    status.py            what stat and scandir give, and who looks at modes and times
    paths.py            from a path to a place, simulated or real; the real functions
    mapped_memory.py     memory that a mapping shows
    mapping.py           mmap
    descriptor_calls.py  the functions of os that take a descriptor
    attribute_calls.py   those for mode, owner, times and extended attributes
    name_calls.py        those that take a name; os.open
    locks.py             fcntl
    raw_file.py          open, under CPython's own buffering

What Linux allows with names is said in wavetank.sim._names, for these and for the engine's seam.
"""
