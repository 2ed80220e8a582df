"""Everything a person sees: the command line, text, JSON, stored failures.

General layout::

    cli.py              the program: its commands, and the exit code of an error
    commands/           the commands, by family
    documents/          results as JSON; schemas/ says what each document may hold
    runs/               a run over processes; what is kept of it, compared and run again
    outputs/            what is made of a run: screen, event lines, NDJSON, JUnit, Markdown
    page/               what is made of anything: one HTML page
    fuzzing/            a fuzzing run over processes, and what it prints
    telling/            a failure in text, and what to type next
    stored/             failures in .wavetank/failures, written and read back, and as tests
    arguments/          names and files that a person typed, checked
    pytest_plugin.py    fixtures, marker and options for pytest; pytest_fixtures/ is behind them
    patch_hunt.py       planted patches, each hunted by a command in a process of its own
    kernel/             litmus programs on real filesystems
    bench/              the engine timed against its peers

It starts runs of `wavetank.scenarios` and listens to their events; nothing imports it. Commands
import the engine and the scenarios only when they run, so this package imports nothing. Start
reading at cli.py.
"""

__all__: list[str] = []
