"""What a program did, seen by the filesystem that served it.

::

    recorder.py    runs a program on a directory that is served
    server.py      the process that serves it
    mount.py       mounts and unmounts it
    messages.py    the kernel's requests and our answers, as values
    filesystem.py  does them on a simulated disk
"""
