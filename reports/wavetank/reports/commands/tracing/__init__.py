"""`wavetank trace`: any program on the real machine, crashed and checked.

::

    trace.py      its options; start reading here
    program.py    which directory is traced, and the command with its places filled
    execution.py  record, judge, print
    text.py       the result for people
"""
