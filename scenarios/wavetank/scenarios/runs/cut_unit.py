"""A unit that was cut into shares: what they saw, put together."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, evolve, field

from wavetank.scenarios.exploration.partial import Positions, merged_parts
from wavetank.scenarios.runs.exploring import result_of
from wavetank.scenarios.runs.listening import ScenarioProgress
from wavetank.scenarios.runs.results import ScenarioResult
from wavetank.scenarios.runs.shares import ExploredPart, Share, UnitCuts

__all__ = ["CutUnit"]


@define
class CutUnit:
    """The parts of a unit as they come, in any order.

    Where something was wrong the unit is run as a whole: which findings are told, and where the
    exploration ends after the first, depends on the order in which one process judges all images.

    Attributes:
        share: the first of the unit.
        cuts: its answer.
        is_given_up: whether the unit is run as a whole instead.
    """

    share: Share
    cuts: UnitCuts
    is_given_up: bool = False
    _parts: dict[Positions, ExploredPart] = field(factory=dict)

    def shares(self) -> tuple[Share, ...]:
        """Return the shares that explore the parts."""
        recording = self.cuts.recording
        return tuple(
            evolve(self.share, positions=each, recording=recording) for each in self.cuts.parts
        )

    def give_up(self) -> Share:
        """Return the share that runs the unit as a whole; parts do not count any more."""
        self.is_given_up = True
        return evolve(self.share, is_whole=True)

    def take(self, share: Share, part: ExploredPart) -> None:
        """Take what one of the shares saw."""
        assert share.positions is not None
        self._parts[share.positions] = part

    def found_something(self) -> bool:
        """Whether a part saw something wrong."""
        return any(part.has_findings for part in self._parts.values())

    @property
    def is_complete(self) -> bool:
        """Whether all parts have come."""
        return len(self._parts) == len(self.cuts.parts)

    def progress(self) -> Iterator[ScenarioProgress]:
        """Yield how many images have been judged under each profile; some may count twice yet."""
        facts = self.cuts.facts
        for number, own in enumerate(self.share.unit.profiles):
            # A part with findings ends there, perhaps under an earlier profile.
            seen = [part.seen[number] for part in self._parts.values() if len(part.seen) > number]
            yield ScenarioProgress(
                name=facts.name,
                seed=facts.seed,
                profile=own.profile.name,
                judged=sum(len(each.names) for each in seen),
                options=facts.options,
            )

    def results(self) -> tuple[ScenarioResult, ...]:
        """Return the results of the unit, one a profile.

        Raises:
            KeyError: a part has not come.
            ValueError: a part saw something wrong.
        """
        facts = self.cuts.facts
        parts = [self._parts[positions] for positions in self.cuts.parts]
        results = tuple(
            result_of(
                self.share.unit,
                facts,
                merged_parts(
                    own.profile,
                    [part.seen[number] for part in parts],
                    recoveries=sum(part.recoveries[number] for part in parts),
                ),
            )
            for number, own in enumerate(self.share.unit.profiles)
        )
        return (evolve(results[0], events=facts.events), *results[1:])
