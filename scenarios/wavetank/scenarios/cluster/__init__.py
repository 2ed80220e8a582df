"""Raft clusters over the store under test: nodes, network, faults, and what must hold of all.

plan.py says what a run is like; cluster_run.py runs it. Start reading at node.py, then machine.py.
"""
