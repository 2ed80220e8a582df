"""Crash tests for unmodified Python code.

General layout, from the bottom up::

    report.py         findings, verdicts, the report
    errors.py         what is raised
    recording.py      a workload run once: op log, calls, acknowledgements
    judging.py        the check: tried out first, then run on each image once
    exploration.py    every crash point and image under one profile
    cure.py           the sync that makes a finding go away, found by trying
    explain.py        a refused image told to a person
    crash_testing.py  crash_test
    crash_disk.py     CrashDisk: a disk that crashes when a test says so

The code runs in `wavetank.sim.python_files`; which images a crash may leave is decided in
`wavetank.sim`, as for stores. Start reading at crash_testing.py.
"""

from wavetank.scenarios.code.crash_testing import crash_test
from wavetank.scenarios.code.errors import (
    CheckError,
    CrashFinding,
    CrashTestWarning,
    EmptyWorkloadError,
    WorkloadError,
)
from wavetank.scenarios.code.report import (
    CodeFinding,
    ComplaintKind,
    CrashReport,
    ProfileVerdict,
)

__all__ = [
    "CheckError",
    "CodeFinding",
    "ComplaintKind",
    "CrashFinding",
    "CrashReport",
    "CrashTestWarning",
    "EmptyWorkloadError",
    "ProfileVerdict",
    "WorkloadError",
    "crash_test",
]
