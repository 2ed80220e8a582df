"""What crashes of Python code came to, as values: findings, a verdict per profile, the report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final, Literal, TypeAlias

from attrs import field, frozen

from wavetank.scenarios.code.initial import FakeFiles, lay_out, lay_out_into
from wavetank.scenarios.code.work import CodeWork
from wavetank.scenarios.evidence import Evidence
from wavetank.scenarios.pages import PagesMissingError, drawn_page
from wavetank.sim import Choice, DiskImage, Kept

__all__ = [
    "CodeFinding",
    "ComplaintKind",
    "CrashReport",
    "EarlierCrash",
    "FindingKind",
    "Outcome",
    "ProfileVerdict",
    "Restart",
    "merged",
]

Outcome: TypeAlias = Literal["pass", "fail", "inconclusive"]
FindingKind: TypeAlias = Literal["lost", "damaged"]

_SHOWN: Final = 3
_LOST_SHOWN: Final = 4
_WIDE: Final = 300
_ONE_STEP: Final = (
    "the workload made one call that changed the disk: only the states before and after it are "
    "taken for right; call ack() after each step, or make the steps calls of the workload itself"
)
_REFUSES_NOTHING: Final = (
    "the check was never seen to refuse anything: it accepted each file cut in half, and each with "
    "its bits flipped"
)


@frozen(kw_only=True)
class EarlierCrash:
    """What came before the recovery that was crashed: a power cut, or a kill that lost nothing.

    Attributes:
        crash: the crash point in words.
        lost: the pending ops that it lost or tore, in words.
        files: the files that it left, by path, with their size in bytes.
        others: the directories that it left, each with a slash at its end, and symbolic links.
    """

    crash: str
    lost: tuple[str, ...]
    files: tuple[tuple[str, int], ...]
    others: tuple[str, ...]


@frozen(kw_only=True)
class Restart:
    """From what a recovery started that was crashed.

    Attributes:
        image: the disk, all of it durable.
        position: records of the workload's log that were done to it, and pending as the disk has
            them, when its process was killed; 0 after a power cut.
    """

    image: DiskImage = field(eq=False, repr=False)
    position: int = 0


@frozen(kw_only=True)
class CodeFinding:
    """A crash after which the check was not content.

    Attributes:
        kind: `lost` if only what was acknowledged is missing, `damaged` if the check complains
            though nothing is demanded.
        sentence: what the check said, or what it raised.
        raised_at: file name, line and function of the code that raised; "" if nothing was raised.
        raised_line: the source of that line; "" if unknown.
        differs: what came back beside what was possible, as lines of a diff.
        fault: what went wrong on purpose in that run; "" for nothing.
        is_flaky: whether the image was accepted, or refused in other words, when judged again.
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
        others: the directories that it left, each with a slash at its end, and symbolic links.
        directory: the simulated directory.
        schedule: of the workload's threads in that run, for ``crash_test(schedule=...)``; "" if
            each ran until it waited.
        departures: from which thread to which each departure of that leads, and where.
        moments: the moments of the code without a crash that may have come back, the first and the
            last, by their number.
        after: what the last crash interrupted, if that was no plain crash of the code, such as "a
            crash inside recovery"; "" for a plain one. `crash`, `position`, `kept`, `lost` and
            `cure` are then those of the recovery.
        earlier: the crashes before that recovery, in order.
        restart: from what that recovery started; None for a plain crash.
        image: the disk that the crash left.
        work: what had been done to the disk when the power went.
    """

    kind: FindingKind
    sentence: str
    raised_at: str
    raised_line: str
    differs: tuple[str, ...]
    fault: str
    is_flaky: bool
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
    others: tuple[str, ...]
    directory: str
    schedule: str = ""
    departures: tuple[str, ...] = ()
    moments: tuple[int, int] = (0, 0)
    after: str = ""
    earlier: tuple[EarlierCrash, ...] = ()
    restart: Restart | None = None
    image: DiskImage = field(eq=False, repr=False, kw_only=True)
    work: CodeWork = field(eq=False, repr=False, kw_only=True)

    def evidence(self) -> Evidence:
        """Return what the disk was told, what the crash left, and what came back, as values."""
        return self.work.evidence()

    def lay_out(self, target: str | Path) -> None:
        """Write what the crash left below the directory into a real directory.

        Args:
            target: it is made if it is not there, and must be empty.

        Raises:
            FileExistsError: it is not empty.
        """
        lay_out(self.image, self.directory, target)

    def lay_out_into(self, fs: FakeFiles, target: str) -> None:
        """Write what the crash left below the directory into a filesystem of pyfakefs.

        Args:
            fs: pyfakefs's ``fs``.
            target: where in it; it must not be there.
        """
        lay_out_into(self.image, self.directory, fs, target)

    def story(self) -> str:
        """Return the finding as a person reads it."""
        others = [name for name in self.profiles if name != self.profile]
        allowed = f"{self.profile} (also {', '.join(others)})" if others else self.profile
        after = f" after {self.after}" if self.after else ""
        lines = [
            f"{self.kind.upper()}{after}: {_short(self.sentence)}",
            *([f"  raised   {self._raised()}"] if self.raised_at else []),
            *[f"           {each}" for each in self.differs],
            *(["  flaky    judged again, the same image was not refused so"] * self.is_flaky),
            *([f"  fault    {self.fault}"] if self.fault else []),
            f"  under    {allowed}",
        ]
        for each in self.earlier:
            lines += _crash_lines(each.crash, each.lost, each.files, each.others, ())
        schedule = [f"  schedule {self.schedule}"] * bool(self.schedule)
        schedule += [f"           {each}" for each in self.departures]
        lines += _crash_lines(self.crash, self.lost, self.files, self.others, schedule)
        return "\n".join([*lines, f"  why      {self.why}", f"  cure     {self.cure}"])

    def _raised(self) -> str:
        return f"at {self.raised_at}" + (f": {self.raised_line}" if self.raised_line else "")


def _crash_lines(
    crash: str,
    lost: Sequence[str],
    files: Sequence[tuple[str, int]],
    others: Sequence[str],
    schedule: Sequence[str],
) -> Iterator[str]:
    """Yield what a crash came after, what it lost, and what it left."""
    yield f"  crash    {crash}"
    yield from schedule
    yield from (f"  lost     {each}" for each in lost[:_LOST_SHOWN])
    if len(lost) > _LOST_SHOWN:
        yield f"           and {len(lost) - _LOST_SHOWN} more"
    sized = [f"{path} ({size} B)" for path, size in files]
    yield f"  left     {_short(', '.join([*sized, *others]) or 'nothing')}"


@frozen
class ComplaintKind:
    """How often the check complained in one way.

    Attributes:
        kind: see `CodeFinding`.
        sentence: what it said of the image that lost least; numbers and quoted text may differ.
        count: images that were refused so, each counted again where more had been acknowledged.
    """

    kind: FindingKind
    sentence: str
    count: int


@frozen(kw_only=True)
class ProfileVerdict:
    """What the crashes under one profile came to.

    Attributes:
        profile: its name.
        outcome: `fail` if there are findings, else `inconclusive` if the check was too slow on an
            image, was not run any more, or `max_images` or `max_seconds` ended it, else `pass`.
        findings: of each of the first 16 kinds of complaint the image that lost least, explained,
            in the order of discovery.
        kinds: all kinds of complaint, in the order of discovery.
        crash_points: positions at which the op log grew.
        images: distinct images that were checked.
        too_slow: those of them on which the check was stopped after `check_limit_s`.
        unjudged: distinct images that were met and left over: enough had been judged, or the check
            had to be stopped too often.
        stopped: whether it ended early: it had failed and nothing new came for a while, or
            `max_seconds` were over.
        complete: whether every legal image was checked, or one that stands for it.
        choice: where images were chosen that do not stand for all, how large the choice was.
        recoveries: images inside whose recovery crashes were tried, too.
        recoveries_idle: images whose recovery changed nothing, so that no crash can come inside.
        recoveries_left: images inside whose recovery none was tried, since enough had been.
        unrecorded: why the recovery of each further image could not be crashed.
    """

    profile: str
    outcome: Outcome
    findings: tuple[CodeFinding, ...]
    kinds: tuple[ComplaintKind, ...]
    crash_points: int
    images: int
    too_slow: int
    unjudged: int
    stopped: bool
    complete: bool
    choice: Choice = field(factory=Choice)
    recoveries: int = 0
    recoveries_idle: int = 0
    recoveries_left: int = 0
    unrecorded: tuple[str, ...] = ()

    def line(self) -> str:
        """Return the verdict in one line."""
        told = f"{self.profile}: {self.outcome}, {self.images} images at "
        told += f"{self.crash_points} crash points"
        if self.recoveries:
            told += f", {self.recoveries} recoveries crashed"
        left = self.recoveries_left + len(self.unrecorded)
        if left:
            told += f", at least {left} recoveries not crashed"
        if self.too_slow:
            told += f", the check too slow on {self.too_slow}"
        if self.stopped:
            told += ", stopped after the first findings" if self.kinds else ", stopped in time"
        elif self.unjudged:
            told += f", at least {self.unjudged} left unjudged"
        elif self.choice.points:
            told += (
                f", chosen among more {self.choice.points} times (up to {self.choice.ops} "
                f"pending operations in {self.choice.groups} groups made alike)"
            )
        more = len(self.kinds) - len(self.findings)
        return told + (f"; and {more} more kinds of complaint, not explained" if more else "")


def merged(verdicts: Sequence[ProfileVerdict]) -> ProfileVerdict:
    """Return one verdict of several runs under one profile."""
    outcomes = {each.outcome for each in verdicts}
    open_: Outcome = "inconclusive" if "inconclusive" in outcomes else "pass"
    return ProfileVerdict(
        profile=verdicts[0].profile,
        outcome="fail" if "fail" in outcomes else open_,
        findings=tuple(finding for each in verdicts for finding in each.findings),
        kinds=tuple(kind for each in verdicts for kind in each.kinds),
        crash_points=sum(each.crash_points for each in verdicts),
        images=sum(each.images for each in verdicts),
        too_slow=sum(each.too_slow for each in verdicts),
        unjudged=sum(each.unjudged for each in verdicts),
        stopped=any(each.stopped for each in verdicts),
        complete=all(each.complete for each in verdicts),
        choice=max((each.choice for each in verdicts), key=lambda choice: choice.points),
        recoveries=sum(each.recoveries for each in verdicts),
        recoveries_idle=sum(each.recoveries_idle for each in verdicts),
        recoveries_left=sum(each.recoveries_left for each in verdicts),
        unrecorded=tuple(why for each in verdicts for why in each.unrecorded),
    )


@frozen(kw_only=True)
class CrashReport:
    """What a crash test found.

    Attributes:
        verdicts: by name of the profile, in the order in which they were asked for.
        checks: how often `check` was run.
        check_refuses: whether the check was seen to refuse anything: an image, the emptied
            directory with everything acknowledged, or a file cut in half or with its bits flipped.
        check_limit_s: real seconds after which a run of the check was stopped.
        acked: how many things the workload acknowledged.
        operations: calls that changed the disk.
        difference: where a second run of the workload differed, in words; "" if it did not.
        isolated: whether each look had a process of its own.
        faulty_runs: each run in which something went wrong on purpose: what, and the error with
            which the workload ended, "" if it ended without one.
        silent_faults: those that never fired, and so tested nothing.
        idle_acks: tokens that were acknowledged although nothing had been written since the one
            before.
        one_step: whether the workload is judged as one step: it made but one call that changed the
            disk, and acknowledged nothing.
        schedules: how many schedules of the workload's threads were run.
        distinct: how many of them did something else to the disk, or acknowledged something else,
            than all before.
    """

    verdicts: Mapping[str, ProfileVerdict]
    checks: int
    check_refuses: bool
    check_limit_s: float
    acked: int
    operations: int
    difference: str = ""
    isolated: bool = True
    faulty_runs: tuple[tuple[str, str], ...] = ()
    silent_faults: tuple[str, ...] = ()
    idle_acks: tuple[object, ...] = ()
    one_step: bool = False
    schedules: int = 1
    distinct: int = 1

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of all profiles."""
        outcomes = {verdict.outcome for verdict in self.verdicts.values()}
        if "fail" in outcomes:
            return "fail"
        return "inconclusive" if "inconclusive" in outcomes else "pass"

    @property
    def findings(self) -> tuple[CodeFinding, ...]:
        """Each kind of complaint once, from the first profile under which it came.

        Once more, if something went wrong on purpose.
        """
        found: dict[tuple[str, str, str, bool, str], CodeFinding] = {}
        for verdict in self.verdicts.values():
            for each in verdict.findings:
                # A line is cured once, whichever of its executions was looked at.
                cure = re.sub(r", system call \d+", "", each.cure)
                key = each.kind, cure, each.place, bool(each.fault), each.after
                found.setdefault(key, each)
        return tuple(found.values())

    def notes(self) -> tuple[str, ...]:
        """Return what makes the result say less than it seems to, each in one sentence."""
        told: list[str] = []
        if any(verdict.too_slow for verdict in self.verdicts.values()):
            told.append(
                f"the check was too slow: it was stopped after {self.check_limit_s:g} s of real "
                f"time, which says nothing about the code; raise check_limit_s= if it needs longer"
            )
        if self.difference:
            told.append(self._difference())
        if self.idle_acks:
            told.append(
                f"when {self.idle_acks[0]!r} was acknowledged, nothing had been written since the "
                f"acknowledgement before; save, and flush, before ack()"
            )
        if self.one_step:
            told.append(_ONE_STEP)
        if self.silent_faults:
            told.append(f"faults that never fired: {'; '.join(self.silent_faults)}")
        told += self._recovery_notes()
        if any(each.is_flaky for each in self.findings):
            told.append("a finding did not come again when the same image was judged again")
        if any(verdict.too_slow for verdict in self.verdicts.values()):
            return tuple(told)
        if not self.check_refuses:
            told.append(_REFUSES_NOTHING)
        return tuple(told)

    def warnings(self) -> tuple[str, ...]:
        """Return the notes that everybody should read; the others stand in the story alone."""
        silent = {_REFUSES_NOTHING, _ONE_STEP, self._difference()}
        return tuple(each for each in self.notes() if each not in silent)

    def _recovery_notes(self) -> list[str]:
        """Return what was left out of the crashes inside recoveries."""
        told = []
        left = [each for each in self.verdicts.values() if each.recoveries_left]
        if left:
            told.append(
                f"no crash was tried inside the recovery of at least {left[0].recoveries_left} "
                f"images under {left[0].profile}, since enough had been tried; raise "
                f"--max-recoveries for more"
            )
        idle = sum(each.recoveries_idle for each in self.verdicts.values())
        if idle and not any(each.recoveries for each in self.verdicts.values()):
            told.append(
                f"no recovery changed the directory, on {idle} images, so that no crash came "
                f"inside one; if the check does less with nothing acknowledged, name the recovery "
                f"with --recover"
            )
        unrecorded = [why for each in self.verdicts.values() for why in each.unrecorded]
        if unrecorded:
            told.append(
                f"no crash was tried inside {len(unrecorded)} recoveries that failed or could not "
                f"be recorded, the first of them since: {unrecorded[0]}"
            )
        return told

    def _difference(self) -> str:
        return f"the workload is not the same each time: {self.difference}"

    def story(self) -> str:
        """Return all of it as a person reads it, at most one screen."""
        told = [verdict.line() for verdict in self.verdicts.values()]
        if self.schedules > 1:
            told.append(f"{self.schedules} schedules, of which {self.distinct} differ on the disk")
        told += [f"note: {each}" for each in self.notes()]
        findings = self.findings
        for each in findings[:_SHOWN]:
            told += ["", each.story()]
        if len(findings) > _SHOWN:
            told += ["", f"and {len(findings) - _SHOWN} more findings"]
        return "\n".join(told)

    def html(self, path: str | Path) -> None:
        """Write all of it as one HTML page, replacing what is there; it needs no network.

        Args:
            path: of the file.

        Raises:
            PagesMissingError: `wavetank.reports`, which draws pages, is not installed.
            OSError: the file cannot be written.
        """
        Path(path).write_text(drawn_page("crash_test", self), encoding="utf-8")

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, for notebooks; its story if nothing can draw."""
        try:
            page = drawn_page("crash_test", self)
        except PagesMissingError:
            return f"<pre>{escape(self.story())}</pre>"
        style = "width:100%;height:44rem;border:0"
        return f'<iframe title="wavetank" style="{style}" srcdoc="{escape(page)}"></iframe>'


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDE else f"{line[:_WIDE]}..."
