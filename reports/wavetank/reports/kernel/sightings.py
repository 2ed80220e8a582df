"""What was read from images, held against the sets of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from wavetank.reports.kernel.real_result import RealOutcome, RealSighting
from wavetank.sim import LitmusState, LitmusTest, Profile, possible_states

__all__ = ["Sighting", "judge"]


@frozen(kw_only=True)
class Sighting:
    """One image at one moment.

    Attributes:
        image: which image of all; one image can stand for several moments.
        state: what was read; None if the image could not be mounted or read.
        error: why it could not; "" if it could.
        run: number of the run.
        nudges: what was done between the steps, as text; one per step.
        window: how many flushes of this run came before, counted from 0.
        kept: which blocks written since the flush before were kept, by number.
        written: how many there were.
    """

    image: int
    state: LitmusState | None
    error: str
    run: int
    nudges: tuple[str, ...]
    window: int
    kept: tuple[int, ...]
    written: int


def judge(
    test: LitmusTest, profiles: Sequence[Profile], sightings: Sequence[Sighting]
) -> tuple[RealOutcome, ...]:
    """Hold what was seen of a program against each profile.

    Args:
        test: the program.
        profiles: what it is held against.
        sightings: what was seen of it.

    Raises:
        LitmusError: the program's states cannot be counted out.
    """
    return tuple(
        _outcome(test.id, profile.name, possible_states(test, profile), sightings)
        for profile in profiles
    )


def _outcome(
    name: str, profile: str, allowed: frozenset[LitmusState], own: Sequence[Sighting]
) -> RealOutcome:
    seen = {sighting.state for sighting in own if sighting.state is not None}
    return RealOutcome(
        id=name,
        profile=profile,
        images=len({sighting.image for sighting in own}),
        seen=tuple(sorted(allowed & seen)),
        unseen=tuple(sorted(allowed - seen)),
        outside=tuple(_outside(allowed, own)),
    )


def _outside(allowed: frozenset[LitmusState], own: Sequence[Sighting]) -> Iterator[RealSighting]:
    """Yield what is forbidden, each state and each error once, as it was seen first."""
    wrong: dict[object, list[Sighting]] = {}
    for sighting in own:
        if sighting.state not in allowed:
            wrong.setdefault(sighting.state or sighting.error, []).append(sighting)
    for group in wrong.values():
        first = group[0]
        yield RealSighting(
            state=first.state,
            error=first.error,
            run=first.run,
            nudges=first.nudges,
            window=first.window,
            kept=first.kept,
            written=first.written,
            times=len({sighting.image for sighting in group}),
        )
