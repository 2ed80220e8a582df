"""The commands of `wavetank`, a module each: its options, what it does, its text.

What a command works with is imported inside its functions: the options of every command are read
before `wavetank --help` answers, and must not cost an import of the engine or of the scenarios.
Documents for ``--format json`` are made in `wavetank.reports.documents`.
"""

__all__: list[str] = []
