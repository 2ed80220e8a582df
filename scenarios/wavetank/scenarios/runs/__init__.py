"""A plan run: scenarios by seeds by profiles.

plan.py        what is asked for
unit.py        a scenario with a seed: what one process is given
runner.py      units run, here or in other processes
tasks_run.py   a unit whose tasks run beside one another
family_run.py  a unit that is a family of workloads
results.py     what came of it
listening.py   what is told meanwhile
events.py      what happened, as values in one envelope
stream.py      all events of a run, in the order of its plan
"""
