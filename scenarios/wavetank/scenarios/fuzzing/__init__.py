"""Fuzzing: short lives of a store, with everything drawn together, steered by what they reach.

General layout::

    swarm.py      what one run may use: operations, values, options, faults, profiles
    drawing.py    steps that a node may take, from a swarm
    fault_lines.py  faults, from a swarm
    inputs.py     whole inputs: drawn anew, or changed from one that reached something new
    coverage.py   what a run has reached: operation, fault, recovery branch, option
    probing.py    what a store can take, found out by asking it
    trial.py      one input run, crashed and judged
    corpus.py     inputs worth changing, and how one is chosen
    fuzzer.py     the loop

Start reading at fuzzer.py.
"""
