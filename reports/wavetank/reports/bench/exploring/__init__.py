"""Measures the exploration of crashes: `wavetank bench explore`.

General layout, from values to work::

    report.py            the result as values
    trace.py             the recorded run whose crash images all contenders judge
    verdicts.py          what is asked of each contender, and what it answers
    contenders.py        the ways to judge an image; recover_alone.py runs in a new process
    crashable_files.py   images drawn at random
    pyfakefs_files.py    the engine's filesystem seam over pyfakefs
    growth.py, zoo_search.py, scheduler_speed.py    what is measured besides
    explore_bench.py     every measurement with its goals; start reading here

Commands import it only when they run, so this package imports nothing.
"""

__all__: list[str] = []
