"""Small programs with the states that a crash may leave, and the simulated disk held against them.

General layout::

    program.py        the programs and states as values
    litmus_file.py    the same read from JSON; data/litmus.json ships
    _litmus_disk.py   their operations done on a disk
    litmus_run.py     the states that the simulated disk allows, compared
"""
