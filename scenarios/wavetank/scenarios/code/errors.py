"""What `crash_test` raises."""

from __future__ import annotations

from wavetank.scenarios.code.report import CrashReport

__all__ = ["CrashFinding", "WorkloadError"]


class CrashFinding(AssertionError):  # noqa: N818 - a finding about the code, no error of the test
    """A crash loses or damages what the code has written; the message tells the story.

    Attributes:
        report: all of it.
    """

    def __init__(self, report: CrashReport) -> None:
        super().__init__(f"a crash leaves what the check refuses\n{report.story()}")
        self.report = report


class WorkloadError(RuntimeError):
    """The workload, or a check before any crash, went wrong by itself; see its cause."""
