"""Failures of tests, stored so that ``pytest --wavetank-replay`` runs one of them again.

A finding of `crash_test` belongs to a test: that test runs again, under the profile of the finding.
A failure of a sweep, or of `wavetank run`, needs no test and becomes one.
"""

from __future__ import annotations

from collections.abc import Sequence
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

__all__ = ["NEW_RUN", "chosen"]

NEW_RUN: Final = pytest.StashKey["TestFinding"]()
"""In the configuration of a run that replays: the finding that is looked for."""


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
