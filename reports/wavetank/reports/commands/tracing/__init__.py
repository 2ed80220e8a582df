"""What `wavetank trace` does.

::

    program.py    which directory is traced, and the command with its places filled
    execution.py  record, judge, print
    text.py       the result for people
"""
