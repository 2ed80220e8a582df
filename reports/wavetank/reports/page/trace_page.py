"""The page of `wavetank trace`: that of a crash test, and which syncs the program needs."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from wavetank.reports.page.blocks import Fact, Page, Section, Table
from wavetank.reports.page.crash_test_page import crash_test_page
from wavetank.scenarios.traced import TraceVerdict
from wavetank.sim.traces import Trace

__all__ = ["trace_page"]


def trace_page(trace: Trace, verdict: TraceVerdict, version: str, command: str) -> Page:
    """Return the page of a traced program.

    Args:
        trace: what the program did.
        verdict: what came of its crashes.
        version: of wavetank.
        command: the command line, for a shell.
    """
    page = crash_test_page(verdict.report, version)
    return evolve(
        page,
        title="wavetank trace",
        command=command,
        facts=(*page.facts, Fact("system calls", f"{trace.calls:,}")),
        sections=(*page.sections, *_syncs(verdict)),
    )


def _syncs(verdict: TraceVerdict) -> Iterator[Section]:
    if not verdict.syncs:
        return
    yield Section(
        id="syncs",
        title="Syncs",
        lead="Each sync was taken out of the trace in turn, and the rest was crashed again.",
        blocks=(
            Table(
                columns=("sync", "of", "at", "times", "needed", "without it"),
                rows=tuple(
                    (
                        each.call,
                        each.path,
                        each.place,
                        f"{each.times:,}",
                        each.need.value,
                        each.complaint or f"nothing new on {each.images:,} images",
                    )
                    for each in verdict.syncs
                ),
            ),
        ),
    )
