"""The planted bugs, a module per family.

bugs.py              all of them, in the order in which they are shown; start reading here
state_bugs.py        in the keeping of term and vote
append_bugs.py       around appends and the end of the log
log_bugs.py          in truncations and compaction
snapshot_bugs.py     in the publication of snapshots
recovery_bugs.py     in recovery itself
single_invariant.py  the smallest bugs that one invariant alone reports
small_steps.py       short ways to write the few steps of a trial
"""
