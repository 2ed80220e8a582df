"""Failures of tests, stored so that ``pytest --wavetank-replay`` runs one of them again.

A finding of `crash_test` belongs to a test: that test runs again, under the profile of the finding.
A failure of a sweep, or of `wavetank run`, needs no test and becomes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pytest

from wavetank.reports.stored.failures import (
    DIRECTORY,
    FailureStore,
    StoredFailure,
    UnknownFailureError,
    UnreadableFailureError,
)
from wavetank.reports.stored.test_findings import TestFinding
from wavetank.scenarios import ReplayVerdict, replay

__all__ = ["JUDGED_AGAIN", "NEW_RUN", "chosen", "images_judged_again"]

NEW_RUN: Final = pytest.StashKey["TestFinding"]()
"""In the configuration of a run that replays: the finding that is looked for."""

JUDGED_AGAIN: Final = "wavetank images judged again"
"""Property of a test in such a run: the images of a `crash_test` that has passed."""


def images_judged_again(reports: Iterable[object]) -> int:
    """Return how many images the tests that passed have judged in a run that replays.

    Args:
        reports: of the tests that passed.
    """
    return sum(
        int(value)
        for report in reports
        if isinstance(report, pytest.TestReport)
        for name, value in report.user_properties
        if name == JUDGED_AGAIN and isinstance(value, int)
    )


def chosen(name: str, session: pytest.Session, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return what is to run so that a stored failure is looked for again.

    Args:
        name: its id, or a file.
        session: of pytest.
        items: what was collected.

    Raises:
        pytest.UsageError: there is no such failure, or its test was not collected.
    """
    directory = Path(session.config.invocation_params.dir)
    case = TestFinding.find(directory, name)
    if case is not None:
        session.config.stash[NEW_RUN] = case
        found = [item for item in items if item.nodeid == case.test]
        if not found:
            raise pytest.UsageError(
                f"--wavetank-replay: expected the test {case.test} among those that were collected "
                f"but it is not there"
            )
        return found
    try:
        stored = FailureStore(directory / DIRECTORY).find(name)
    except (UnknownFailureError, UnreadableFailureError) as error:
        raise pytest.UsageError(f"--wavetank-replay: {error}") from error
    return [_ReplayItem.of(session, stored)]


class _ReplayItem(pytest.Item):
    """A stored failure as a test: it passes if that is gone."""

    stored: StoredFailure

    @classmethod
    def of(cls, session: pytest.Session, stored: StoredFailure) -> _ReplayItem:
        item: _ReplayItem = cls.from_parent(session, name=f"wavetank-replay[{stored.violation.id}]")
        item.stored = stored
        return item

    def runtest(self) -> None:
        result = replay(self.stored.case)
        if result.verdict is not ReplayVerdict.FIXED:
            pytest.fail(f"{result.verdict.value}: {result.explanation}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name
