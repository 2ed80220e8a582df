"""`wavetank trace`: any program on the real machine, crashed and checked.

::

    trace.py      its options; start reading here
    program.py    which directory is traced, and the command with its places filled
    checks.py     the check that was asked for
    findings.py   what is stored of a finding
    replaying.py  a stored finding judged again
    execution.py  record, judge, print
    text.py       the result for people
"""
