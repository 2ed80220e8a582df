"""Crash tests for unmodified Python code.

General layout, from the bottom up::

    report.py         findings, verdicts, the report
    errors.py         what is raised
    initial.py        what a test begins with, and what a crash left, as directories
    user_code.py      the user's functions: their code, and the lines an error came through
    faulty_calls.py   calls that go wrong on purpose
    recording.py      a workload run once: op log, calls, acknowledgements, moments
    asking/           what is wrong with an image: check or observe, run in processes of their own
    crashing/         recordings crashed everywhere: findings, their stories and cures
    work.py           what was done to the disk when the power went, for the evidence of a finding
    threads/          schedules of a workload's threads, and of one's own without crashes
    recoveries.py     what a recovery does to an image, where that is crashed, too
    crash_run.py      one crash test from its arguments to its report
    crash_testing.py  crash_test
    crash_disk.py     CrashDisk: a disk that crashes when a test says so

The code runs in `wavetank.sim.python_files`; which images a crash may leave is decided in
`wavetank.sim`, as for stores. Start reading at crash_testing.py.
"""

from wavetank.scenarios.code.crash_testing import CrashTestOptions, crash_test
from wavetank.scenarios.code.errors import (
    CheckError,
    CrashFinding,
    CrashTestWarning,
    EmptyWorkloadError,
    WorkloadError,
)
from wavetank.scenarios.code.faulty_calls import Every, every
from wavetank.scenarios.code.report import (
    CodeFinding,
    ComplaintKind,
    CrashReport,
    ProfileVerdict,
)
from wavetank.scenarios.code.threads.interleavings import (
    Explored,
    InterleavedDisk,
    InterleavingFinding,
    explore_interleavings,
)

__all__ = [
    "CheckError",
    "CodeFinding",
    "ComplaintKind",
    "CrashFinding",
    "CrashReport",
    "CrashTestOptions",
    "CrashTestWarning",
    "EmptyWorkloadError",
    "Every",
    "Explored",
    "InterleavedDisk",
    "InterleavingFinding",
    "ProfileVerdict",
    "WorkloadError",
    "crash_test",
    "every",
    "explore_interleavings",
]
