"""The threads, locks and event loops of the code under test, under one scheduler.

Layout, from the bottom up::

    task_threads.py    the threads of a process as tasks
    routed_locks.py    locks that tasks take in turns
    thread_routes.py   what stands for the functions of `_thread`, and for SimpleQueue
    buffered_files.py  file objects that several tasks may share
    event_loop.py      asyncio in virtual time
    together.py        calls at once, for tests
"""
