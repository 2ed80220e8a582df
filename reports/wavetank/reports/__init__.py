"""Everything a person sees: the command line, text, JSON, stored failures.

General layout::

    cli.py                        the program: commands, and what errors become
    _run_command.py, _replay_command.py, _list_command.py    one command each, options only
    _parameters.py, settings.py   what a person types, checked; [tool.wavetank]
    _execution.py, _replaying.py  what two of them do, once the options are known
    _show_command.py, _showing.py, regressions.py, python_values.py    a failure as a test
    pytest_plugin.py, _pytest_tools.py, _pytest_replay.py    fixtures, marker and options for pytest
    session.py, _workers.py       a plan over processes, interrupted or stopped early
    progress.py                   what is shown meanwhile, on stderr
    text.py, documents.py         the result for people and for programs (schemas/)
    failures.py, _fields.py       .wavetank/failures, written and read back
    profile_files.py              files with profiles of one's own
    inventory.py                  what there is to choose from
    _litmus_command.py, _litmus.py    the simulated disk held to litmus sets
    _litmus_real.py, kernel/      litmus programs on real filesystems
    _zoo_command.py, _zoo.py, zoo_text.py, zoo_document.py    the planted bugs, hunted
    _damage_command.py, _damage.py, damage_text.py, damage_document.py    the damage matrix
    _sweep_command.py, _sweep.py, sweep_text.py, sweep_document.py    every operation fails
    _bench_command.py, _bench.py, bench/    the engine measured against its peers
    _told.py                      lines on stderr while long work goes on

It listens to `wavetank.scenarios` and starts its runs; nothing imports it. Commands import what is
heavy only when they run, so this package imports nothing. Start reading at cli.py.
"""

__all__: list[str] = []
