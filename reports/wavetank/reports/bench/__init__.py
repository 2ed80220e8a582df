"""Measures the engine against its peers on a real disk, each figure a ratio within one run.

General layout, from values to work::

    samples.py          ratios of timed rounds, their spread; pure functions
    report.py           the result as values
    comparison.py       contenders that do the same work, and what a measurement consists of
    timing.py           rounds of contenders in rotated order; the only module with a clock
    machine.py, peers.py    facts about the machine; which peers are installed
    entries.py          the log entries that are written, and the check of what comes back
    appends.py, reads.py, opens.py, snapshots.py    the measurements, by the work they time
    killed_appender.py  a process that opens a store, appends to it and kills itself
    catalogue.py        every measurement with its goals
    engine_bench.py     chooses, times and reports; start reading here
    document.py, text.py, markdown.py    the result for programs, for people and for the docs

Times depend on the machine, so this stands in `wavetank.reports`. It uses the engine through its
public API alone. Commands import it only when they run, so this package imports nothing.
"""

__all__: list[str] = []
