"""What `crash_test` raises, and what it warns of.

::

    CrashFinding(AssertionError)   a crash loses or damages what the code has written
    WorkloadError(RuntimeError)    the workload cannot be tested
      EmptyWorkloadError           it changed nothing on the simulated disk
    CheckError(RuntimeError)       the check is wrong without any crash
    CrashTestWarning(UserWarning)  the result says less than it seems to
"""

from __future__ import annotations

from wavetank.scenarios.code.report import CrashReport

__all__ = ["CheckError", "CrashFinding", "CrashTestWarning", "EmptyWorkloadError", "WorkloadError"]


class CrashFinding(AssertionError):  # noqa: N818 - a finding about the code, no error of the test
    """A crash loses or damages what the code has written; the message tells the story.

    Attributes:
        report: all of it.
    """

    def __init__(self, report: CrashReport) -> None:
        super().__init__(f"a crash leaves what the check refuses\n{report.story()}")
        self.report = report


class WorkloadError(RuntimeError):
    """The workload raised, exited with an error, or returned what nobody runs; see its cause."""


class EmptyWorkloadError(WorkloadError):
    """The workload changed nothing on the simulated disk, so that there is no crash to test."""


class CheckError(RuntimeError):
    """The check is wrong by itself; the message has its traceback.

    It refused what the workload left without any crash, or an empty directory before anything was
    acknowledged; or it named what does not exist (NameError, ImportError) on any image.
    """


class CrashTestWarning(UserWarning):
    """The result says less than it seems to: the check was too slow, or it refuses nothing."""
