"""Measures the engine and the exploration against their peers, each figure a ratio within one run.

General layout, from values to work::

    report.py        the result as values
    rounds.py        rounds of contenders in rotated order, ratios and their spread; the only clock
    comparison.py    contenders that do the same work, and what a measurement consists of
    environment.py   the machine, and which peers are installed
    logs.py          the entries that are written, the check of what comes back, shared long logs
    appends.py, reads.py, opens.py, snapshots.py    the measurements, by the work they time
    engine_bench.py  every measurement with its goals; times and reports them; start reading here
    exploring/       images judged a second beside other ways: `wavetank bench explore`
    soak.py          a long life of a store: `wavetank bench soak`

Times depend on the machine, so this stands in `wavetank.reports`. It uses the engine through its
public API alone. Commands import it only when they run, so this package imports nothing.
"""

__all__: list[str] = []
