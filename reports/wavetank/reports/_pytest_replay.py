"""Failures of tests, stored so that ``pytest --wavetank-replay`` runs one of them again.

A finding of `crash_test` belongs to a test: that test runs again, under the profile of the finding.
A failure of a sweep, or of `wavetank run`, needs no test and becomes one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

import pytest
from attrs import asdict, frozen

from wavetank.reports._fields import Fields
from wavetank.reports.failures import (
    DIRECTORY,
    FailureStore,
    StoredFailure,
    UnknownFailureError,
    UnreadableFailureError,
)
from wavetank.scenarios import CodeFinding, ReplayVerdict, replay

__all__ = ["NEW_RUN", "CrashCase", "chosen"]

_FORMAT: Final = 1
_DIRECTORY: Final = Path(".wavetank") / "tests"
NEW_RUN: Final = pytest.StashKey["CrashCase"]()
"""In the configuration of a run that replays: the finding that is looked for."""


@frozen(kw_only=True)
class CrashCase:
    """A finding of `crash_test` in a test.

    Attributes:
        id: short name, equal for equal findings.
        test: the test's node id.
        profile: under which it was found.
        sentence: what the check said.
    """

    id: str
    test: str
    profile: str
    sentence: str

    @classmethod
    def of(cls, test: str, finding: CodeFinding) -> Self:
        """Return the case of a finding."""
        parts = (test, finding.profile, finding.kind, finding.sentence)
        digest = blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()
        name = re.sub(r"\W+", "-", test.rpartition("::")[2]).strip("-")
        return cls(
            id=f"{name}-{digest}", test=test, profile=finding.profile, sentence=finding.sentence
        )

    def save(self, directory: Path) -> None:
        """Store it below a directory, so that `find` finds it there.

        Raises:
            OSError: the directory cannot be written.
        """
        path = directory / _DIRECTORY / f"{self.id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"format": _FORMAT, **asdict(self)}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def find(cls, directory: Path, name: str) -> Self | None:
        """Return the case of an id or file; None if there is none, or it is something else."""
        for path in (directory / _DIRECTORY / f"{name}.json", Path(name)):
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
                fields = Fields(document)
                if fields.whole("format") != _FORMAT:
                    continue
                texts = {each: fields.text(each) for each in ("id", "test", "profile", "sentence")}
            except (OSError, ValueError, AttributeError, TypeError):
                continue
            return cls(**texts)
        return None


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
    case = CrashCase.find(directory, name)
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
