"""A store opened on a crash image, and given work there.

recovery.py          the subject of an exploration: opens, works, crashes again; start here
recovery_run.py      recovery runs, remembered by what they read of the image
recovery_attempt.py  one recovery run, while the faults of the workload go on
"""
