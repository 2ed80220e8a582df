"""The commands of `wavetank`: for each a module with its options, and what it does.

::

    running/           run, fuzz; diff and recheck of runs that were kept
    findings/          replay, show, explain, shrink: what is done with one stored failure
    checking/          check: the conformance suite on any store
    tracing/           trace: any program on the real machine
    trials/            damage, sweep, syncs: the engine tried; zoo, litmus: the testbed
    store_files/       verify, dump: a store's directory on the real machine
    listing/           list
    measuring/         bench engine, bench explore, bench soak
    options.py         options that several commands have
    html_report.py     ``--report html=FILE``
    progress_lines.py  progress on stderr

Where a command is more than its options, `x.py` has these and `x_execution.py` does the work.
What a command works with is imported inside its functions: the options of every command are read
before `wavetank --help` answers, and must not cost an import of the engine or of the scenarios.
Documents for ``--format json`` are made in `wavetank.reports.documents`. Start reading at
running/run.py.
"""

__all__: list[str] = []
