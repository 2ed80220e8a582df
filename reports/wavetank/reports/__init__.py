"""Everything a person sees: the command line, text, JSON, stored failures.

General layout::

    cli.py              the program: its commands, and the exit code of an error
    commands/           a module for each command
    documents/          results as JSON; schemas/ says what each document may hold
    runs/               a run over processes; what is kept of it, compared and run again
    outputs/            what is made of a run: screen, event lines, NDJSON, JUnit, Markdown
    page/               what is made of anything: one HTML page
    fuzzing/            a fuzzing run over processes, and what it prints
    story.py, lanes.py, next_commands.py    a failure in text, its callers as lanes, what to type
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
