"""What crashes of Python code came to, as values: findings, a verdict per profile, the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from attrs import frozen

from wavetank.sim import Kept

__all__ = ["CodeFinding", "CrashReport", "FindingKind", "Outcome", "ProfileVerdict"]

Outcome: TypeAlias = Literal["pass", "fail", "inconclusive"]
FindingKind: TypeAlias = Literal["lost", "damaged"]

_SHOWN: Final = 3
_LOST_SHOWN: Final = 4
_WIDE: Final = 300


@frozen(kw_only=True)
class CodeFinding:
    """A crash after which the check was not content.

    Attributes:
        kind: `lost` if only what was acknowledged is missing, `damaged` if the check complains
            though nothing is demanded.
        sentence: what the check said, or what it raised.
        profile: the profile under which it was found.
        profiles: every profile that ships and allows this image, and `profile`.
        crash: the crash point in words.
        operation: the last call before the crash, such as ``os.replace``; "" before the first.
        path: what it was about.
        place: file name and line of the code that made it; "" if nobody knows.
        position: records of the op log before the crash.
        kept: the pending ops that the crash kept; with `position` and `profile` it names the image.
        acked: tokens that had been acknowledged.
        lost: the pending ops that the crash lost or tore, in words; the fewest that do it.
        why: how it came about.
        cure: the added sync, or flush, that makes the finding go away, found by trying.
        files: the files that the crash left, by path, with their size in bytes.
    """

    kind: FindingKind
    sentence: str
    profile: str
    profiles: tuple[str, ...]
    crash: str
    operation: str
    path: str
    place: str
    position: int
    kept: Kept
    acked: tuple[object, ...]
    lost: tuple[str, ...]
    why: str
    cure: str
    files: tuple[tuple[str, int], ...]

    def story(self) -> str:
        """Return the finding as a person reads it."""
        others = [name for name in self.profiles if name != self.profile]
        allowed = f"{self.profile} (also {', '.join(others)})" if others else self.profile
        lines = [
            f"{self.kind.upper()}: {_short(self.sentence)}",
            f"  under    {allowed}",
            f"  crash    {self.crash}",
        ]
        lines += [f"  lost     {each}" for each in self.lost[:_LOST_SHOWN]]
        if len(self.lost) > _LOST_SHOWN:
            lines.append(f"           and {len(self.lost) - _LOST_SHOWN} more")
        left = ", ".join(f"{path} ({size} B)" for path, size in self.files) or "nothing"
        lines.append(f"  left     {_short(left)}")
        return "\n".join([*lines, f"  why      {self.why}", f"  cure     {self.cure}"])


@frozen(kw_only=True)
class ProfileVerdict:
    """What the crashes under one profile came to.

    Attributes:
        profile: its name.
        outcome: `fail` if there are findings, else `inconclusive` if images were left unjudged,
            else `pass`.
        findings: of each kind of complaint the one that lost least, in the order of discovery.
        crash_points: positions at which the op log grew.
        images: distinct images that were checked.
        unjudged: distinct images that `max_images` left over.
        complete: whether every legal image was checked, or one that stands for it.
    """

    profile: str
    outcome: Outcome
    findings: tuple[CodeFinding, ...]
    crash_points: int
    images: int
    unjudged: int
    complete: bool


@frozen(kw_only=True)
class CrashReport:
    """What a crash test found.

    Attributes:
        verdicts: by name of the profile, in the order in which they were asked for.
        checks: how often `check` was run.
        acked: how many things the workload acknowledged.
        operations: calls that changed the disk.
    """

    verdicts: Mapping[str, ProfileVerdict]
    checks: int
    acked: int
    operations: int

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of all profiles."""
        outcomes = {verdict.outcome for verdict in self.verdicts.values()}
        if "fail" in outcomes:
            return "fail"
        return "inconclusive" if "inconclusive" in outcomes else "pass"

    @property
    def findings(self) -> tuple[CodeFinding, ...]:
        """Each kind of complaint once, from the first profile under which it came."""
        found: dict[tuple[str, str, str], CodeFinding] = {}
        for verdict in self.verdicts.values():
            for each in verdict.findings:
                found.setdefault((each.kind, each.cure, each.place), each)
        return tuple(found.values())

    def story(self) -> str:
        """Return all of it as a person reads it, at most one screen."""
        told = [
            f"{verdict.profile}: {verdict.outcome}, {verdict.images} images at "
            f"{verdict.crash_points} crash points"
            + (f", {verdict.unjudged} left unjudged" if verdict.unjudged else "")
            + ("" if verdict.complete else ", chosen among more")
            for verdict in self.verdicts.values()
        ]
        findings = self.findings
        for each in findings[:_SHOWN]:
            told += ["", each.story()]
        if len(findings) > _SHOWN:
            told += ["", f"and {len(findings) - _SHOWN} more findings"]
        return "\n".join(told)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDE else f"{line[:_WIDE]}..."
