"""Raft stores as a subject: workloads, reference model, oracle, and the driver of a store.

steps.py, workloads.py              steps as values, and the scenarios that ship
scripted_node.py, actions.py        step builders: a node's whole life, and its next step
model.py, contract.py               which states are possible, and what a store promises
observation.py, oracle.py           what a store shows, and which invariants that breaks
driver.py, step_calls.py            a workload running on a store, held against the model
recording.py, history.py            the op log of one run, and what was known at each position
recovery_run.py, recovery.py        a store opened on a crash image, and given work there
store_words.py, run_evidence.py     what a store shows in words, and all that a crash of it shows
tolerated_losses.py, loss_rules.py  what may be missing where the disk lies
reported_losses.py                  what a store's own report names as gone
fault_timeline.py                   what goes wrong, and where the faults stand at a crash
crash_cycles.py                     crash after crash without work
option_choices.py                   engine options by name
"""
