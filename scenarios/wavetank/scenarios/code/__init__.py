"""Crash tests for unmodified Python code.

General layout, from the bottom up::

    report.py         findings, verdicts, the report
    errors.py         what is raised
    _recording.py     a workload run once: op log, calls, acknowledgements
    _judging.py       the check, run on each image once
    _sweep.py         every crash point and image under one profile
    _cure.py          the sync that makes a finding go away, found by trying
    _explaining.py    a refused image told to a person
    crash_testing.py  crash_test

The code runs in `wavetank.sim.python_files`; which images a crash may leave is decided in
`wavetank.sim`, as for stores. Start reading at crash_testing.py.
"""

from wavetank.scenarios.code.crash_testing import crash_test
from wavetank.scenarios.code.errors import CrashFinding, WorkloadError
from wavetank.scenarios.code.report import CodeFinding, CrashReport, ProfileVerdict

__all__ = [
    "CodeFinding",
    "CrashFinding",
    "CrashReport",
    "ProfileVerdict",
    "WorkloadError",
    "crash_test",
]
