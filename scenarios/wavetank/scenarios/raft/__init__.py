"""Raft stores as a subject: workloads, reference model, oracle, and the driver of a store.

    contract.py      what a store promises of a crash, clause by clause
    steps.py         what a Raft node asks of its store, as values; workloads
    model.py         the reference model: which states are possible; start reading here
    workloads/       who writes steps: a scripted node, a node's next step, every short life
    judging/         what a store shows, and which invariants that breaks
    driving/         steps running on a live store, held against the model after each
    reopening/       a store opened on a crash image, and given work there
    recording.py     one run written down: op log, and what was known at each position
    store_life.py    a store driven through crash after crash
    crash_cycles.py  crash after crash without work
    run_evidence.py  all that a crash of a recorded run shows

Each imports only what stands above it.
"""
