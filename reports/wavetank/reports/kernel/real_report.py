"""What was seen on real filesystems, as text for people and as ``wavetank.litmus-real/1``.

Pure functions of values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wavetank.reports.kernel.real_result import RealOutcome, RealResult, RealSighting, RealVerdict
from wavetank.sim import LitmusState

__all__ = ["litmus_real_document", "overall_verdict", "render_real"]


def overall_verdict(results: Sequence[RealResult]) -> RealVerdict:
    """Return ``fail`` if one failed, ``skipped`` if none could be looked at, else ``pass``."""
    verdicts = {result.verdict for result in results}
    for verdict in (RealVerdict.FAIL, RealVerdict.PASS):
        if verdict in verdicts:
            return verdict
    return RealVerdict.SKIPPED


def litmus_real_document(results: Sequence[RealResult], version: str) -> dict[str, object]:
    """Return the results as ``wavetank.litmus-real/1``."""
    return {
        "schema": "wavetank.litmus-real/1",
        "version": version,
        "verdict": overall_verdict(results).value,
        "filesystems": [
            {
                "filesystem": result.filesystem,
                "verdict": result.verdict.value,
                "missing": list(result.missing),
                "kernel": result.kernel,
                "make": result.make,
                "mount_options": result.mount_options,
                "runs": result.runs,
                "images": result.images,
                "tests": [_outcome(outcome) for outcome in result.outcomes],
            }
            for result in results
        ],
    }


def render_real(result: RealResult) -> str:
    """Return one filesystem's result as it is shown."""
    if result.missing:
        return f"{result.filesystem}: skipped: this machine lacks {', '.join(result.missing)}"
    blocks = [
        f"{result.filesystem}, kernel {result.kernel}, {result.make}, {result.mount_options}",
        "\n".join(_line(outcome) for outcome in result.outcomes),
    ]
    blocks += [
        "\n".join(_told(outcome))
        for outcome in result.outcomes
        if outcome.unseen or outcome.outside
    ]
    seen = sum(len(outcome.seen) for outcome in result.outcomes)
    allowed = seen + sum(len(outcome.unseen) for outcome in result.outcomes)
    outside = sum(len(outcome.outside) for outcome in result.outcomes)
    blocks.append(
        f"{result.verdict.value.upper()}: {result.images} images, {result.runs} runs of each "
        f"program; {seen} of {allowed} allowed states seen, {outside or 'none'} outside"
    )
    return "\n\n".join(blocks)


def _line(outcome: RealOutcome) -> str:
    allowed = len(outcome.seen) + len(outcome.unseen)
    outside = f", {len(outcome.outside)} OUTSIDE" if outcome.outside else ""
    return (
        f"{outcome.id}  {outcome.profile}: {outcome.images} images, "
        f"{len(outcome.seen)} of {allowed} allowed states seen{outside}"
    )


def _told(outcome: RealOutcome) -> Iterator[str]:
    yield f"{outcome.id} under {outcome.profile}:"
    yield from (f"  never seen: {state}" for state in outcome.unseen)
    for sighting in outcome.outside:
        what = sighting.error if sighting.state is None else str(sighting.state)
        yield f"  OUTSIDE: {what} ({sighting.times} images)"
        yield f"    first in run {sighting.run}; {_where(sighting)}"
        nudged = [f"after step {step}: {told}" for step, told in enumerate(sighting.nudges) if told]
        yield f"    {'; '.join(nudged) or 'nothing done between the steps'}"


def _where(sighting: RealSighting) -> str:
    kept = ", ".join(str(number) for number in sighting.kept) or "none"
    return (
        f"the cut came after {sighting.window} flushes and kept, "
        f"of {sighting.written} writes since, {kept}"
    )


def _outcome(outcome: RealOutcome) -> dict[str, object]:
    return {
        "id": outcome.id,
        "profile": outcome.profile,
        "images": outcome.images,
        "seen": [_state(state) for state in outcome.seen],
        "unseen": [_state(state) for state in outcome.unseen],
        "outside": [_sighting(sighting) for sighting in outcome.outside],
    }


def _sighting(sighting: RealSighting) -> dict[str, object]:
    return {
        "state": None if sighting.state is None else _state(sighting.state),
        "error": sighting.error,
        "images": sighting.times,
        "run": sighting.run,
        "nudges": list(sighting.nudges),
        "flushes": sighting.window,
        "kept": list(sighting.kept),
        "written": sighting.written,
    }


def _state(state: LitmusState) -> dict[str, object]:
    return {"files": dict(state.files), "marks": list(state.marks)}
