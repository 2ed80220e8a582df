"""Findings of `crash_test` in tests, stored to be shown and looked for again."""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

from attrs import asdict, frozen

from wavetank.reports.stored._fields import Fields
from wavetank.scenarios import CodeFinding

__all__ = ["TestFinding"]

_FORMAT: Final = 2
_TEXTS: Final = ("id", "test", "profile", "sentence", "story")
_DIRECTORY: Final = Path(".wavetank") / "tests"


@frozen(kw_only=True)
class TestFinding:
    """A finding of `crash_test` in a test, as it is stored.

    Attributes:
        id: short name, equal for equal findings.
        test: the test's node id.
        profile: under which it was found.
        sentence: what was said of it.
        story: all of it, as a person reads it.
    """

    id: str
    test: str
    profile: str
    sentence: str
    story: str = ""

    @classmethod
    def of(cls, test: str, finding: CodeFinding) -> Self:
        """Return the case of a finding."""
        parts = (test, finding.profile, finding.kind, finding.sentence)
        digest = blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()
        name = re.sub(r"\W+", "-", test.rpartition("::")[2]).strip("-")
        return cls(
            id=f"{name}-{digest}",
            test=test,
            profile=finding.profile,
            sentence=finding.sentence,
            story=finding.story(),
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
                texts = {each: fields.text(each) for each in _TEXTS}
            except (OSError, ValueError, AttributeError, TypeError):
                continue
            return cls(**texts)
        return None
