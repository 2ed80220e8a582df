"""A run over processes; what is kept of it, compared and run again.

session.py        a plan run for a person: interrupted, stopped early, timed
workers.py        its processes
cluster.py        a dask cluster instead
unfinished.py     `.wavetank/unfinished`: shares of runs that have not ended
code_identity.py  which code a run is made of
keeping.py        a run written down while it goes on
differences.py    the first event in which two runs part
folders.py        `.wavetank/runs`: what is kept of each run
rechecking.py     a kept run judged again by the code of today
"""
