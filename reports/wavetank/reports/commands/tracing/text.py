"""The result of `wavetank trace` for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wavetank.reports.outputs.tables import table
from wavetank.reports.telling.next_commands import replay_command
from wavetank.scenarios.code.crashing.sync_needs import SyncNeed
from wavetank.scenarios.traced import TraceVerdict
from wavetank.sim.traces import Trace

__all__ = ["trace_text"]


def trace_text(trace: Trace, verdict: TraceVerdict, stored: Sequence[str], version: str) -> str:
    """Return what was traced, the verdict of each profile, the findings and the syncs.

    Args:
        trace: what the program did.
        verdict: what came of its crashes.
        stored: ids of the findings, in their order; () if they could not be stored.
        version: of wavetank.
    """
    report = verdict.report
    changed = f"{len(trace.sites):,} changed the directory or synced it"
    lines = [
        f"wavetank {version}, trace of {trace.directory.lstrip('/')}",
        f"{trace.calls:,} system calls, of which {changed}; {len(trace.tokens):,} acknowledgements",
        *_notes(trace),
        "",
        report.story(),
        "",
    ]
    if verdict.syncs:
        lines += [*_syncs(verdict.syncs), ""]
    if stored:
        lines += [*(f"Reproduce: {replay_command(each)}" for each in stored), ""]
    images = sum(each.images for each in report.verdicts.values())
    word = report.outcome.upper()
    lines.append(f"{word}: {images:,} images, {report.checks:,} runs of the check")
    return "\n".join(lines)


def _notes(trace: Trace) -> Iterator[str]:
    if trace.outside:
        told = ", ".join(trace.outside[:3]) + (", ..." if trace.outside[3:] else "")
        yield f"note: it also wrote outside of the directory, which nobody crashed: {told}"
    if trace.rebuilt:
        told = ", ".join(trace.rebuilt)
        yield f"note: taken as made anew after each crash: {told}"
    if not trace.tokens:
        yield (
            "note: it acknowledged nothing, so that nothing had to survive; write 'ACK token' "
            "lines where --ack says"
        )


def _syncs(syncs: tuple[SyncNeed, ...]) -> Iterator[str]:
    rows = [["sync", "of", "at", "times", "", "without it"]]
    for each in syncs:
        without = each.complaint or f"nothing new on {each.images:,} images"
        rows.append(
            [
                each.call,
                each.path,
                each.place,
                f"{each.times:,}",
                each.need.value,
                f"{without} ({each.profile})" if each.complaint else without,
            ]
        )
    yield from table(rows)
