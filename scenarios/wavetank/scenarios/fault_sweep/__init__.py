"""Fault sweeps: every filesystem operation of a workload, and of its recoveries, fails once.

operation_faults.py   what goes wrong with an operation, and the counts of a sweep
faulty_run.py         one run of a workload with one fault
workload_sweep.py     every operation of a workload fails
recovery_sweep.py     every operation of the recoveries from power cuts fails
scenario_sweeps.py    both, over the scenarios that ship
"""
