"""Stored failures: one file each in ``.wavetank/failures``, so that they can be replayed.

A file holds the case (what brings the finding back) and its story. A file that this version cannot
read is never overwritten and never deleted; a new failure of the same id then goes beside it.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final

from attrs import asdict, field, frozen
from cattrs import BaseValidationError, transform_error
from cattrs.preconf.json import make_converter

from wavetank.reports.arguments.choices import nearest
from wavetank.reports.stored._fields import Fields
from wavetank.scenarios import Case, Chain, Violation
from wavetank.scenarios.concurrency.history import Call, History
from wavetank.scenarios.shrinking import Shrinking, ShrinkNote

__all__ = [
    "DIRECTORY",
    "FORMAT",
    "FailureStore",
    "StoredFailure",
    "UnknownFailureError",
    "UnreadableFailureError",
    "read_failure",
]

DIRECTORY: Final = Path(".wavetank") / "failures"
"""Where failures lie, in the working directory."""

FORMAT: Final = 3
"""Version of the file format that is written, and the only one that is read."""

_STORY: Final = ("summary", "why", "steps", "lost", "profiles", "cure", "rules")


_CHAINS: Final = make_converter(omit_if_default=True)


class UnknownFailureError(LookupError):
    """No failure of this name is stored here."""


class UnreadableFailureError(ValueError):
    """A stored failure is damaged or of another format; it is left as it is."""


@frozen(kw_only=True)
class StoredFailure:
    """One failure as a file holds it.

    Attributes:
        case: what brings it back.
        violation: its story when it was found, or made smaller.
        version: of wavetank that found it.
        found: the case as it was found, if it has been made smaller; else None.
        shrinking: how far that has come; None if nobody tried.
    """

    case: Case
    violation: Violation
    version: str
    found: Case | None = None
    shrinking: Shrinking | None = None


@frozen
class FailureStore:
    """A directory of failures.

    Args:
        directory: made when the first failure is stored.
    """

    directory: Path = field(default=DIRECTORY)

    def save(self, failure: StoredFailure) -> Path:
        """Store a failure and return where it is.

        An older file of the same failure is replaced; one that cannot be read is not.

        Raises:
            OSError: the directory cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self._path(failure.violation.id)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(_to_text(failure), encoding="utf-8")
        temporary.replace(path)
        return path

    def find(self, name: str) -> StoredFailure:
        """Return the failure of an id, or in a file.

        Raises:
            UnknownFailureError: neither; the message names the nearest id.
            UnreadableFailureError: it is there but cannot be read.
        """
        for path in (self._own(name), self._beside(name)):
            if path.is_file() and _is_readable(path):
                return read_failure(path)
        for path in (self._own(name), Path(name)):
            if path.is_file():
                return read_failure(path)
        raise UnknownFailureError(
            f"failure: expected an id stored in {self.directory} or a file, "
            f"got {name!r}{nearest(name, self.ids())}"
        )

    def ids(self) -> tuple[str, ...]:
        """Return the ids of the stored failures, readable or not, sorted."""
        return tuple(sorted({path.name.split(".")[0] for path in self.directory.glob("*.json")}))

    def unreadable(self, besides: Container[Path] = ()) -> Iterator[UnreadableFailureError]:
        """Yield what is wrong with each file that cannot be read, by name.

        Args:
            besides: files that were just written, and are not read.
        """
        for path in sorted(self.directory.glob("*.json")):
            if path in besides:
                continue
            try:
                read_failure(path)
            except UnreadableFailureError as error:
                yield error

    def _path(self, failure: str) -> Path:
        own = self._own(failure)
        return own if not own.exists() or _is_readable(own) else self._beside(failure)

    def _own(self, failure: str) -> Path:
        return self.directory / f"{failure}.json"

    def _beside(self, failure: str) -> Path:
        return self.directory / f"{failure}.format-{FORMAT}.json"


def read_failure(path: Path) -> StoredFailure:
    """Return the failure in a file.

    Raises:
        UnreadableFailureError: the file is damaged, of another format, or not a failure.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError(f"$: expected an object, got {type(document).__name__}")  # noqa: TRY004, TRY301 - all damage is one error here
        return _from_fields(Fields(document))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableFailureError(f"{path} cannot be read and is kept: {error}") from error


def _is_readable(path: Path) -> bool:
    try:
        read_failure(path)
    except UnreadableFailureError:
        return False
    return True


def _to_text(failure: StoredFailure) -> str:
    story = failure.violation
    document: dict[str, object] = {
        "format": FORMAT,
        "version": failure.version,
        "id": story.id,
        "case": json.loads(failure.case.to_text()),
        "violation": {name: getattr(story, name) for name in _STORY},
    }
    if story.chain is not None:
        document["chain"] = _CHAINS.unstructure(story.chain)
    if story.history is not None:
        document["tasks"] = {
            "schedule": story.schedule,
            "calls": [_call(call) for call in story.history.calls],
            "crashes": list(story.history.crashes),
        }
    if failure.found is not None and failure.shrinking is not None and story.shrunk is not None:
        document["shrinking"] = {
            "found": json.loads(failure.found.to_text()),
            "note": asdict(story.shrunk),
            "progress": asdict(failure.shrinking, filter=lambda member, _: member.name != "case"),
        }
    return json.dumps(document, indent=1) + "\n"


def _from_fields(fields: Fields) -> StoredFailure:
    written = fields.whole("format")
    if written != FORMAT:
        raise ValueError(
            f"$.format: expected {FORMAT}, got {written}, "
            f"written by wavetank {fields.value.get('version')}"
        )
    case = _case(fields.inner("case"))
    story = fields.inner("violation")
    tasks = fields.inner("tasks") if "tasks" in fields.value else None
    shrinking = fields.inner("shrinking") if "shrinking" in fields.value else None
    violation = Violation(
        id=fields.text("id"),
        invariant=case.invariant,
        kind=case.kind,
        summary=story.text("summary"),
        why=story.text("why"),
        steps=story.texts("steps"),
        lost=story.texts("lost"),
        profiles=story.texts("profiles"),
        cure=story.text("cure"),
        rules=story.texts("rules"),
        crash=case.crash,
        history=None if tasks is None else _history(tasks),
        schedule="" if tasks is None else tasks.text("schedule"),
        shrunk=None if shrinking is None else _note(shrinking.inner("note")),
        chain=_chain(fields.inner("chain")) if "chain" in fields.value else None,
    )
    return StoredFailure(
        case=case,
        violation=violation,
        version=fields.text("version"),
        found=None if shrinking is None else _case(shrinking.inner("found")),
        shrinking=None if shrinking is None else _progress(shrinking.inner("progress"), case),
    )


def _chain(fields: Fields) -> Chain:
    try:
        return _CHAINS.structure(fields.value, Chain)
    except BaseValidationError as error:
        raise ValueError(f"$.chain: {'; '.join(transform_error(error))}") from error


def _case(fields: Fields) -> Case:
    return Case.from_text(json.dumps(fields.value))


def _note(fields: Fields) -> ShrinkNote:
    return ShrinkNote(
        steps_before=fields.whole("steps_before"),
        steps=fields.whole("steps"),
        lost_before=fields.whole("lost_before"),
        lost=fields.whole("lost"),
        judged=fields.whole("judged"),
        is_finished=fields.flag("is_finished"),
    )


def _progress(fields: Fields, case: Case) -> Shrinking:
    return Shrinking(
        case=case,
        place=fields.whole("place"),
        fruitless=fields.whole("fruitless"),
        round_size=fields.whole_or_none("round_size"),
        tried=fields.whole("tried"),
        judged=fields.whole("judged"),
        granted=fields.whole("granted"),
        is_finished=fields.flag("is_finished"),
    )


def _call(call: Call) -> dict[str, object]:
    return {
        "number": call.number,
        "task": call.task,
        "operation": str(call.operation),
        "invoked_at": call.invoked_at,
        "returned_at": call.returned_at,
        "result": None if call.is_pending else str(call.result),
    }


def _history(tasks: Fields) -> History:
    return History(
        calls=tuple(_read_call(each) for each in tasks.inners("calls")),
        crashes=tasks.wholes("crashes"),
    )


def _read_call(fields: Fields) -> Call:
    has_returned = fields.value.get("returned_at") is not None
    return Call(
        number=fields.whole("number"),
        task=fields.text("task"),
        operation=fields.text("operation"),
        invoked_at=fields.whole("invoked_at"),
        returned_at=fields.whole("returned_at") if has_returned else None,
        result=fields.text("result") if has_returned else None,
    )
