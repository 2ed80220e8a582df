"""Writers of workloads: each makes steps that a right store takes.

scripted_node.py    a Raft node's whole life, as scenarios ask for it; start reading here
actions.py          a node's next step, from what its store shows
boundary_values.py  sizes, terms, names and indices at their boundaries
exhaustive.py       every short sequence of operations
fitted_workload.py  a workload without what a store does not declare
option_choices.py   engine options by name
"""
