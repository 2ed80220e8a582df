"""Findings of `wavetank trace`, stored to be shown and judged again.

::

    .wavetank/failures/traces/ID.json      the finding, its story, and how it was checked
    .wavetank/failures/traces/HASH.trace   what the program did, shared by the findings of one trace
    .wavetank/failures/traces/HASH.image   the disk that is judged, as a trace without calls

The names of the latter two are hashes of their content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import click
from attrs import frozen
from cattrs import BaseValidationError, transform_error
from cattrs.preconf.json import make_converter

from wavetank.reports.commands.tracing.checks import AskedCheck
from wavetank.reports.stored.failures import DIRECTORY
from wavetank.reports.telling.next_commands import replay_command
from wavetank.scenarios import CodeFinding
from wavetank.sim import DiskImage, Profile
from wavetank.sim.traces import Trace, read_trace_file, trace_file

__all__ = ["TraceFinding", "TraceFindingError", "TraceFindings", "trace_findings", "traced_finding"]

_FORMAT: Final = "wavetank.trace-finding/1"
_CONVERTER: Final = make_converter()


class TraceFindingError(RuntimeError):
    """What is stored of a finding cannot be used; the message says why, and what to do."""


@frozen(kw_only=True)
class TraceFinding:
    """A finding of `wavetank trace`, as it is stored.

    Attributes:
        id: short name, equal for equal findings.
        version: of wavetank that found it.
        command: the command line that found it; "" if nobody typed one.
        profile: under which it was found.
        sentence: what the check said.
        story: all of it, as a person reads it.
        check: how the image is looked at.
        acked: how much had been acknowledged before the crash.
        moments: the moments of the program without a crash that its image may show, the first and
            the last, by their number.
        trace: name of the file that holds what the program did.
        image: name of the file that holds what the crash left; after a crash inside a recovery,
            the disk that this started from.
        restarted_at: records of the program's log when it was killed, or 0, where a recovery was
            crashed; None after a plain crash.
    """

    id: str
    version: str
    command: str
    profile: Profile
    sentence: str
    story: str
    check: AskedCheck
    acked: int
    moments: tuple[int, int]
    trace: str
    image: str
    restarted_at: int | None = None

    def text(self) -> str:
        """Return all of it for people."""
        command = [f"traced by {self.command}", ""] if self.command else []
        replay = f"Reproduce: {replay_command(self.id)}"
        return "\n".join([self.id, *command, self.story, replay])


def traced_finding(name: str) -> TraceFinding | None:
    """Return the stored finding of an id or file; None if there is none.

    Raises:
        click.UsageError: it is damaged.
    """
    try:
        return TraceFindings.holding(name).find(name)
    except TraceFindingError as error:
        raise click.UsageError(str(error)) from error


def trace_findings(
    trace: Trace,
    found: tuple[CodeFinding, ...],
    *,
    check: AskedCheck,
    command: str,
    version: str,
) -> Iterator[tuple[TraceFinding, bytes, bytes]]:
    """Yield findings as they are stored, each with the files of its trace and of its image.

    Args:
        trace: what the program did.
        found: what came of its crashes.
        check: how the images were looked at.
        command: the command line; "" if nobody typed one.
        version: of wavetank.
    """
    content = trace_file(trace)
    for each in found:
        restart = each.restart
        left = each.image if restart is None else restart.image
        image = trace_file(_nothing_done(trace, left))
        parts = (each.profile, each.after, each.sentence, _hash(content), _hash(image))
        name = trace.directory.strip("/") or "trace"
        yield (
            TraceFinding(
                id=f"{name}-{_hash(repr((parts, check)).encode())[:12]}",
                version=version,
                command=command,
                profile=each.work.profile,
                sentence=each.sentence,
                story=each.story(),
                check=check,
                acked=len(each.acked),
                moments=each.moments,
                trace=f"{_hash(content)}.trace",
                image=f"{_hash(image)}.image",
                restarted_at=None if restart is None else restart.position,
            ),
            content,
            image,
        )


@frozen
class TraceFindings:
    """A directory of findings.

    Args:
        directory: made when the first is stored.
    """

    directory: Path = DIRECTORY / "traces"

    @classmethod
    def holding(cls, name: str) -> TraceFindings:
        """Return the directory that a file lies in; that of this working directory for an id."""
        return cls(Path(name).parent) if Path(name).is_file() else cls()

    def save(self, finding: TraceFinding, trace: bytes, image: bytes) -> None:
        """Store a finding with the files that it needs.

        Raises:
            OSError: the directory cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        document = {"format": _FORMAT, **_CONVERTER.unstructure(finding)}
        text = json.dumps(document, indent=1) + "\n"
        for name, content in (
            (finding.trace, trace),
            (finding.image, image),
            (f"{finding.id}.json", text.encode()),
        ):
            temporary = self.directory / f"{name}.tmp"
            temporary.write_bytes(content)
            temporary.replace(self.directory / name)

    def find(self, name: str) -> TraceFinding | None:
        """Return the finding of an id or file; None if there is none, or it is something else.

        Raises:
            TraceFindingError: it is damaged.
        """
        for path in (self.directory / f"{name}.json", Path(name)):
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if not isinstance(document, dict) or document.get("format") != _FORMAT:
                continue
            try:
                return _CONVERTER.structure(document, TraceFinding)
            except BaseValidationError as error:
                told = "; ".join(transform_error(error))
                raise TraceFindingError(f"{path} cannot be read and is kept: {told}") from error
        return None

    def trace_of(self, finding: TraceFinding) -> Trace:
        """Return what the program did.

        Raises:
            TraceFindingError: the file is missing or damaged.
            TraceError: it is of another version.
        """
        return read_trace_file(self._content(finding, finding.trace))

    def image_of(self, finding: TraceFinding) -> DiskImage:
        """Return what the crash left; errors as for `trace_of`."""
        return read_trace_file(self._content(finding, finding.image)).image

    def _content(self, finding: TraceFinding, name: str) -> bytes:
        path = self.directory / name
        again = f"; trace the program again: {finding.command}" if finding.command else ""
        try:
            content = path.read_bytes()
        except OSError as error:
            told = f"expected the file that {finding.id} needs but {error}{again}"
            raise TraceFindingError(told) from error
        if _hash(content) != path.stem:
            raise TraceFindingError(
                f"expected the file that {finding.id} needs but {path} is damaged{again}"
            )
        return content


def _nothing_done(trace: Trace, image: DiskImage) -> Trace:
    return Trace(
        directory=trace.directory, image=image, log=(), sites=(), tokens=trace.tokens, calls=0
    )


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=12).hexdigest()
