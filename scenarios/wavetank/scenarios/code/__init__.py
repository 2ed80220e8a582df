"""Crash tests for unmodified Python code.

General layout, from the bottom up::

    report.py         findings, verdicts, the report
    errors.py         what is raised
    initial.py        what a test begins with, and what a crash left, as directories
    user_code.py      the user's functions: their code, and the lines an error came through
    faulty_calls.py   calls that go wrong on purpose
    recording.py      a workload run once: op log, calls, acknowledgements, moments
    probing.py        check or observe, run on each image once, in processes of their own
    judging.py        what is wrong with an image, by a check
    observing.py      the same by what the program shows, or by the files
    recoveries.py     what a recovery does to an image, where that is crashed, too
    exploration.py    every crash point and image under one profile
    cure.py           the sync that makes a finding go away, found by trying
    explain.py        a refused image told to a person
    nested.py         one that a crash inside a recovery left
    courses.py        many schedules of a workload's threads
    crash_run.py      one crash test from its arguments to its report
    crash_testing.py  crash_test
    interleavings.py  schedules of one's own threads, without crashes
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
from wavetank.scenarios.code.interleavings import (
    Explored,
    InterleavedDisk,
    InterleavingFinding,
    explore_interleavings,
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
