"""A plan run: scenarios by seeds by profiles.

plan.py         what is asked for
unit.py         a scenario with a seed
runner.py       units run, here or on an executor
shares.py       what one worker is given: a unit, or crash points of one that is large
spreading.py    shares run on an executor, and again if their worker is lost
cut_unit.py     what the shares of one unit saw, put together
exploring.py    a recorded run explored, and its result
tasks_run.py    a unit whose tasks run beside one another
cluster_runs.py a unit that is a cluster, run many times
family_run.py   a unit that is a family of workloads
results.py      what came of it
listening.py    what is told meanwhile
events.py       what happened, as values in one envelope
stream.py       all events of a run, in the order of its plan
"""
