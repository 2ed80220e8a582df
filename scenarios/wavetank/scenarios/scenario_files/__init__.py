"""Scenarios as values and as TOML: what a file may say, how it is read, and how it is written.

    amounts.py    numbers and sizes that are drawn, or differ by round
    moves.py      what a node does: moves, loops, choices
    scenario.py   `Scenario`, whose workloads are made from a seed
    words.py      the keys of steps, and the values that they stand for
    plain_values.py, top_keys.py    values of TOML, held to what they must be
    reading.py    a scenario from the text of a file
    writing.py    the text of a file from a scenario

docs/scenario-files.md has every key. The scenarios that ship are such files, in catalogue/.
"""
