"""What a program did, read from strace.

::

    recorder.py         runs a program under strace, or reads a text that was kept
    system_calls.py     the lines of strace as values
    arguments.py        what single arguments mean
    effective_order.py  in which order the calls of several threads count
    interpreter.py      applies each to a simulated disk
    machine.py          the disk, the processes and the places that the effects share
    places.py           where paths lead
    processes.py        what each process has open
    name_calls.py       effects on names,
    data_calls.py       on content,
    process_calls.py    and on processes
    source_lines.py     from stacks to lines of source
"""
