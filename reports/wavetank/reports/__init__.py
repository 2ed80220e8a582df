"""Everything a person sees: the command line, text, JSON, stored failures.

General layout::

    cli.py              the program: its commands, and the exit code of an error
    commands/           a module for each command
    documents/          results as JSON; schemas/ says what each document may hold
    tables.py           tables in text
    lanes.py            histories of concurrent callers, a line for each task
    session.py, _workers.py    a run over processes, interrupted or stopped early
    progress.py, text.py, story.py, next_commands.py    what a run prints
    failures.py, _fields.py    .wavetank/failures, written and read back
    regressions.py, python_values.py    a failure as a pytest file
    pytest_plugin.py, _pytest_tools.py, _pytest_replay.py    fixtures, marker and options for pytest
    profile_files.py, _choices.py    names and files that a person typed, checked
    kernel/             litmus programs on real filesystems
    bench/              the engine timed against its peers

It starts runs of `wavetank.scenarios` and listens to their events; nothing imports it. Commands
import the engine and the scenarios only when they run, so this package imports nothing. Start
reading at cli.py.
"""

__all__: list[str] = []
