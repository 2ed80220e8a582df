"""A failure told to a person, on one screen.

What was promised and broken, the steps that lead there, what the crash lost, why, what would have
cured it, and how to see it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from attrs import frozen

from wavetank.reports.next_commands import profile_arguments, replay_command, run_command
from wavetank.scenarios import INVARIANTS, OwnProfile, ReplayCase, Violation

__all__ = ["STORY_LINES", "Origin", "render_story"]

STORY_LINES: Final = 32
"""Lines of a failure at most."""

_WIDTH: Final = 100
_LABEL: Final = 12
_FIRST_STEPS: Final = 3
_LAST_STEPS: Final = 8
_LOST_SHOWN: Final = 3
_LINES_PER_SENTENCE: Final = 3


@frozen(kw_only=True)
class Origin:
    """The run in which a failure was found.

    Attributes:
        scenario: name of the scenario.
        seed: its seed.
        profile: name of the profile.
        backend: name of the store.
        max_images: the run's budget; None: all.
        own_profiles: profiles of one's own, of that run.
        depth: of crashes inside recoveries; None: until nothing new came.
        options: engine options that were turned.
        faults: lines of the faults that struck it.
    """

    scenario: str
    seed: int
    profile: str
    backend: str
    max_images: int | None = None
    own_profiles: tuple[OwnProfile, ...] = ()
    depth: int | None = 0
    options: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, case: ReplayCase) -> Origin:
        """Return the run in which a stored failure was found."""
        return cls(
            scenario=case.scenario,
            seed=case.seed,
            profile=case.profile,
            backend=case.backend,
            own_profiles=case.own_profiles,
            options=case.options,
            faults=case.faults,
        )


def render_story(violation: Violation, origin: Origin) -> str:
    """Return one failure in at most `STORY_LINES` lines."""
    run_of = (origin.scenario, f"seed {origin.seed}", origin.profile, origin.backend)
    place = ", ".join((*run_of, *origin.options, *origin.faults))
    promise = INVARIANTS.get(violation.invariant, "an invariant of another version")
    command = run_command(
        scenarios=[origin.scenario],
        seeds=range(origin.seed, origin.seed + 1),
        profiles=profile_arguments([origin.profile], origin.own_profiles),
        backend=origin.backend,
        max_images=origin.max_images,
        depth=origin.depth,
        option_sets=(origin.options,),
        faults=origin.faults,
    )
    lines = [
        f"FAIL {violation.id}: {place}",
        *_sentence("promised", f"{violation.invariant}: {promise}"),
        *_sentence("broken", violation.summary),
        *_list("steps", _shortened(violation.steps)),
        *_list("lost", _first_few(violation.lost)),
        *_sentence("why", violation.why),
        *_sentence("profiles", f"allowed by {', '.join(violation.profiles)}"),
        *_sentence("cure", violation.cure or "no single sync would have prevented it"),
        *_sentence("rules", _rules(violation.rules)),
        f"Reproduce: {replay_command(violation.id)}",
        f"Elsewhere: first {command}",
    ]
    return "\n".join(lines)


def _rules(rules: Sequence[str]) -> str:
    if not rules:
        return "no single promise of a filesystem would forbid it"
    return f"a filesystem forbids it if {' or '.join(rules)}"


def _sentence(label: str, sentence: str) -> list[str]:
    lines = wrap(sentence, _WIDTH - _LABEL)
    if len(lines) > _LINES_PER_SENTENCE:
        last = lines[_LINES_PER_SENTENCE - 1]
        lines = [*lines[: _LINES_PER_SENTENCE - 1], f"{last[: _WIDTH - _LABEL - 4]} ..."]
    return _list(label, lines)


def _list(label: str, lines: Sequence[str]) -> list[str]:
    room = _WIDTH - _LABEL
    single = [" ".join(line.split()) for line in lines]
    short = [line if len(line) <= room else f"{line[: room - 4]} ..." for line in single]
    labels = [label, *[""] * len(short)]
    return [f"  {name:<{_LABEL - 2}}{line}" for name, line in zip(labels, short, strict=False)]


def _shortened(steps: Sequence[str]) -> list[str]:
    left_out = len(steps) - _FIRST_STEPS - _LAST_STEPS
    if left_out <= 1:
        return list(steps)
    return [*steps[:_FIRST_STEPS], f"... {left_out} more", *steps[-_LAST_STEPS:]]


def _first_few(lost: Sequence[str]) -> list[str]:
    if not lost:
        return ["nothing"]
    left_out = len(lost) - _LOST_SHOWN
    return [*lost[:_LOST_SHOWN], f"... {left_out} more"] if left_out > 1 else list(lost)
