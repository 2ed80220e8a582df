"""What Python code had done to its disk when the power went, kept for the evidence of a finding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import field, frozen

from wavetank.scenarios.evidence import Evidence, Span, StretchSeen
from wavetank.scenarios.exploration.crash_point import Stretch
from wavetank.scenarios.exploration.explaining.disk_evidence import (
    changed_files,
    files_seen,
    stretch_seen,
)
from wavetank.sim import CallSite, DiskImage, Kept, Mark, Profile, Record

__all__ = ["CodeWork"]

_MOST_CALLS: Final = 2_000
"""Calls that are told, the last before the power cut."""


@frozen(kw_only=True, eq=False)
class CodeWork:
    """The work of one run up to a power cut. It shares the run's log, and costs no copy of it.

    Attributes:
        image: the disk before it.
        log: everything that the run did to it, with a mark for each acknowledgement.
        sites: the calls that did it, in order.
        tokens: what it acknowledged, in order.
        profile: the filesystem's promises.
        position: records of the log before the power cut.
        kept: the pending ops that this kept.
        promised: what had to come back, one line each.
        shown: what came back, one line each.
        title: of the work.
        earlier: the work before it, up to the power cuts that it recovered from.
    """

    image: DiskImage = field(repr=False)
    log: tuple[Record, ...] = field(repr=False)
    sites: tuple[CallSite, ...] = field(repr=False)
    tokens: tuple[object, ...]
    profile: Profile
    position: int
    kept: Kept
    promised: tuple[str, ...]
    shown: tuple[str, ...]
    title: str = "the workload"
    earlier: tuple[CodeWork, ...] = ()

    def evidence(self) -> Evidence:
        """Return what the disk was told, what became of it, and what came back."""
        stretch = self._stretch()
        pending = stretch.pending(self.profile)
        before, after = pending.full, pending.image(self.kept)
        return Evidence(
            stretches=(*(each.stretch_seen() for each in self.earlier), self.stretch_seen()),
            before=files_seen(before),
            after=files_seen(after),
            changed=changed_files(before.files(), after.files()),
            promised=self.promised,
            shown=self.shown,
        )

    def _stretch(self) -> Stretch:
        return Stretch(image=self.image, log=self.log[: self.position], kept=self.kept)

    def stretch_seen(self) -> StretchSeen:
        """Return this work alone, with what became of each op."""
        stretch = self._stretch()
        acked, count = [], 0
        for record in stretch.log:
            acked.append(count)
            count += isinstance(record, Mark)
        return stretch_seen(
            stretch,
            self.profile,
            title=self.title,
            spans=(*self._steps(), *self._calls()),
            step_at=acked.__getitem__,
        )

    def _steps(self) -> Iterator[Span]:
        """Yield the work up to each acknowledgement, and what followed the last one."""
        start, number = 0, 0
        for position, record in enumerate(self.log[: self.position]):
            if isinstance(record, Mark):
                yield Span(
                    label=f"{number}: up to the acknowledgement of {self.tokens[number]!r}",
                    start=start,
                    end=position + 1,
                    acknowledged=True,
                    lane="client",
                )
                start, number = position + 1, number + 1
        if start < self.position or not number:
            yield Span(
                label=f"{number}: not acknowledged",
                start=start,
                end=self.position,
                acknowledged=False,
                lane="client",
            )

    def _calls(self) -> Iterator[Span]:
        """Yield the calls that changed the disk, each with the line that made it."""
        start, spans = 0, list[Span]()
        for site in self.sites:
            if start >= self.position:
                break
            end = min(site.position, self.position)
            spans.append(
                Span(
                    label=str(site),
                    start=start,
                    end=end,
                    acknowledged=site.position <= self.position,
                    lane="calls",
                )
            )
            start = site.position
        yield from spans[-_MOST_CALLS:]
