"""What an exploration saw, whole or in parts: `Exploration`, and the parts that make one.

Each part is a range of positions of one op log, explored with a memory of its own. An image that
several parts met is one image, and belongs to the first of them; with the names of all images the
counts of the others are put right. What comes of it equals, to the last count, what one exploration
of the whole log sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType

from attrs import define, evolve, field, frozen

from wavetank.scenarios.exploration.judging import Finding
from wavetank.scenarios.exploration.point_outcomes import PointOutcome, digest_of_points
from wavetank.sim import Choice, Profile

__all__ = ["Exploration", "Meeting", "PartialExploration", "Positions", "merged_parts"]


@frozen(kw_only=True)
class Exploration:
    """What the exploration of one recorded run under one profile saw.

    Attributes:
        profile: the profile.
        crash_points: positions at which the op log grew, up to the last that was looked at.
        legal: how many images the profile allows, each counted at the first point it is allowed
            at; None where they were too many to count.
        complete: whether every legal image was judged, or one that stands for it.
        forked_points: at how many crash points images stand for all that recovery reads alike.
        choice: where images were chosen that do not stand for all, how large the choice was.
        distinct: different images met, those inside recoveries among them.
        judged: images on which it is known what recovery does.
        cache_hits: images met again, whose recovery outcome was known.
        unjudged: images met and left over when the budget ended.
        stopped_after_first: whether it ended since enough images had been judged after the first
            problem; crash points behind that were not looked at.
        recoveries: recoveries really run, second generations and findings judged again among them.
        depth: the most crashes inside recoveries that an image needs to be reached.
        findings: per kind of problem the one that lost least, in the order of their discovery.
        points: what each crash point came to, by position.
        digest: a hash of every image and verdict, in order.
        faults_fired: how often each fault of the workload fired in recoveries, by its line.
        crashed: images inside whose recovery crashes were tried.
        uncrashed: images inside whose recovery none was tried, since enough had been.
    """

    profile: Profile
    crash_points: int
    legal: int | None
    complete: bool
    forked_points: int
    choice: Choice
    distinct: int
    judged: int
    cache_hits: int
    unjudged: int
    stopped_after_first: bool
    recoveries: int
    depth: int
    findings: tuple[Finding, ...]
    points: tuple[PointOutcome, ...]
    digest: str
    faults_fired: Mapping[str, int] = MappingProxyType({})
    crashed: int = 0
    uncrashed: int = 0


@frozen
class Positions:
    """A range of positions of an op log.

    How many ops are pending decides whether images are chosen by what recovery reads, and that is
    remembered from one position to the next until a sync: so a part begins behind a sync, or at 0.

    Attributes:
        first: the first; 0 is the position before all records.
        last: the last, which belongs to the range.

    Raises:
        ValueError: the range is empty, or begins before 0.
    """

    first: int
    last: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.first <= self.last:
            raise ValueError(f"positions: expected 0 <= first <= last, got {self}")


class Meeting(Enum):
    """How an exploration met an image for the first time."""

    NEW = "new"
    """At a crash point at which it became legal."""
    AGAIN = "again"
    """At an acknowledgement, where all images are judged that are legal there."""
    INSIDE = "inside"
    """After a crash inside a recovery, or in one after a kill."""


@frozen(kw_only=True)
class PartialExploration:
    """What the exploration of some positions saw, by itself.

    Attributes:
        crash_points: as in `Exploration`; so are the others that are not told of here.
        legal: images that no position of this part had before.
        digests: of the points at which something was seen, in order.
        names: of the images that were recovered from, in the order of meeting them; of each point
            as many as it has images.
        meetings: how each was met.
        depths: the fewest crashes inside recoveries that lead to each; () if none were asked for.
        fired: how often each fault struck each recovery; () if none did.
        crashed: names of the images inside whose recovery crashes were tried.
        choices: where a recovery had too many images of crashes inside it, how large the choice of
            them was, by the name of the image that it began on.
        has_findings: whether something was wrong; the part ended there, and cannot be merged.
    """

    crash_points: int
    legal: int
    complete: bool
    forked_points: int
    choice: Choice
    cache_hits: int
    points: tuple[PointOutcome, ...]
    digests: tuple[bytes, ...]
    names: tuple[bytes, ...]
    meetings: tuple[Meeting, ...]
    depths: tuple[int, ...]
    fired: tuple[tuple[tuple[str, int], ...], ...]
    crashed: frozenset[bytes]
    choices: tuple[tuple[bytes, Choice], ...]
    has_findings: bool


def merged_parts(
    profile: Profile, parts: Sequence[PartialExploration], *, recoveries: int
) -> Exploration:
    """Return the exploration that sees all that its parts saw.

    Args:
        profile: of the parts.
        parts: in the order of their positions, without a gap.
        recoveries: how many recoveries one exploration of all of it runs.

    Raises:
        ValueError: there is no part, or one has findings: which finding is told, and where the
            exploration ends after it, depends on all that came before.
    """
    if not parts or any(part.has_findings for part in parts):
        raise ValueError("parts: expected at least one, and none with findings")
    merge = _Merge()
    for part in parts:
        merge.add(part)
    choice = sum((part.choice for part in parts), Choice())
    forked = sum(part.forked_points for part in parts)
    complete = all(part.complete for part in parts)
    counted = complete and not choice.points and not forked
    choice = sum(merge.choices.values(), choice)
    return Exploration(
        profile=profile,
        crash_points=sum(part.crash_points for part in parts),
        legal=merge.legal if counted else None,
        complete=complete and not choice.points,
        forked_points=forked,
        choice=choice,
        distinct=len(merge.depths),
        judged=len(merge.depths),
        cache_hits=merge.cache_hits,
        unjudged=0,
        stopped_after_first=False,
        recoveries=recoveries,
        depth=max(merge.depths.values(), default=0),
        findings=(),
        points=tuple(merge.points),
        digest=digest_of_points(digest for part in parts for digest in part.digests),
        faults_fired=MappingProxyType(merge.fired),
        crashed=len(frozenset[bytes]().union(*(part.crashed for part in parts))),
    )


@define
class _Merge:
    """The images of all parts so far, each once, and the counts that depend on that."""

    legal: int = 0
    cache_hits: int = 0
    depths: dict[bytes, int] = field(factory=dict)
    fired: dict[str, int] = field(factory=dict)
    choices: dict[bytes, Choice] = field(factory=dict)
    points: list[PointOutcome] = field(factory=list)

    def add(self, part: PartialExploration) -> None:
        """Take the next part."""
        self.legal += part.legal
        self.cache_hits += part.cache_hits
        self.choices.update(part.choices)
        begin = 0
        for point in part.points:
            end = begin + point.images
            new = sum(self._meet(part, number) for number in range(begin, end))
            self.points.append(evolve(point, images=new))
            begin = end

    def _meet(self, part: PartialExploration, number: int) -> bool:
        """Take one image of a part; return whether no part before it has met it."""
        name, meeting = part.names[number], part.meetings[number]
        depth = part.depths[number] if part.depths else 0
        if name in self.depths:
            self.depths[name] = min(self.depths[name], depth)
            self.legal -= meeting is Meeting.AGAIN
            self.cache_hits += meeting is not Meeting.INSIDE
            return False
        self.depths[name] = depth
        for line, count in part.fired[number] if part.fired else ():
            self.fired[line] = self.fired.get(line, 0) + count
        return True
