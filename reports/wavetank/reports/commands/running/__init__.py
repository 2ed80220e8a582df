"""Commands that run scenarios, and those that compare what was kept of a run.

run.py, run_execution.py    `wavetank run`; start reading here
fuzz.py, fuzz_execution.py  `wavetank fuzz`
diff.py, recheck.py         `wavetank diff` and `wavetank recheck`
kept_runs_execution.py      what these two do
settings.py                 defaults of the options, from a pyproject.toml
"""
