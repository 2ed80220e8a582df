"""A finding told: what was lost, why, and the cheapest cure.

explain.py        all of it for a person; start reading here
violation.py      one broken promise with its story, as a value
lost_ops.py       what the power cuts lost, who issued it, which sync it needed
chains.py         the chain from a promise to its loss
second_crash.py   the power cut after new work, run again for a story
curing/           the cheapest cure of it, found by trying
allowing.py       which profiles allow a crash
disk_evidence.py  what became of each op of a stretch of work, and which files differ
"""
