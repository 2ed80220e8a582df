"""Time and threads under one hand: tasks, locks and clocks that a strategy schedules.

Layout, from the bottom up::

    schedule.py    Schedule: where a run departs from running each task until it waits
    strategies.py  who runs next: random, sticky, PCT, in turns, replay; the portfolio
    switching.py   what carries a task: a greenlet, or a thread with a baton
    scheduler.py   tasks that are ready or wait, virtual time, deadlocks, power cuts
    locks.py       locks and conditions of tasks
    systematic.py  every schedule that can differ, each at least once
    statements.py  pauses before each statement of chosen modules
    shrinking.py   the fewest departures with which a run still fails
    runtime.py     SimRuntime: the engine's runtime seam over a scheduler
    scheduled_filesystem.py  a filesystem whose every call is a pause, and may take long
"""
