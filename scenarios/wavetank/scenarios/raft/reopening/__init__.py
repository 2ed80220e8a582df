"""A store opened on a crash image, and given work there.

recovery.py          the subject of an exploration: opens, works, crashes again; start here
recovery_run.py      openings, remembered by what they read of the image
recovery_attempt.py  one opening, while the faults of the workload go on
"""
