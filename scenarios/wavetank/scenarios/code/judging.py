"""What is wrong with an image: three judges, for what a user can say of right and wrong.

`CheckJudge` asks a check that complains. `ObserveJudge` compares what the program shows after a
crash with what it showed at moments without one. `FilesJudge` does the same with the content of
files, where nobody can say more. A judge that accepts everything, or that is wrong without a crash,
is an error.
"""

from __future__ import annotations

import difflib
import pprint
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

from attrs import frozen

from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.code.probing import Answer, NotRunError, Probing
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.report import FindingKind
from wavetank.sim import (
    PROCESS_KILL,
    ROOT_INODE,
    Cell,
    DirectoryContent,
    DiskImage,
    FileContent,
    Mark,
    PendingOps,
    ReadTrace,
)

__all__ = ["CheckJudge", "Complaint", "Demand", "FilesJudge", "Judge", "ObserveJudge", "everything"]

_MOST_SPOILED: Final = 64
"""Files that are spoiled, one at a time, to see the check refuse something."""
_WIDE: Final = 60
_DIFF_LINES: Final = 12
_DIFF_WIDE: Final = 100


@frozen(kw_only=True)
class Demand:
    """What must be true after a crash at some position.

    Attributes:
        acked: how much had been acknowledged.
        earliest: the moment of the last acknowledgement, by its number in `CodeRecording.moments`.
        latest: the moment at the end of the step that the crash interrupted.
    """

    acked: int
    earliest: int
    latest: int


@frozen(kw_only=True)
class Complaint:
    """What is wrong with an image.

    Attributes:
        kind: `lost` or `damaged`.
        sentence: in the check's words, or what it raised.
        place: file name, line and function of the user's code that raised; "" if nothing was.
        line: the source of that line; "" if unknown.
    """

    kind: FindingKind
    sentence: str
    place: str = ""
    line: str = ""


class Judge(Protocol):
    """Says what is wrong with an image; what it says depends on the image and the demand alone."""

    @property
    def runs(self) -> int:
        """How often the user's function was run."""
        ...

    @property
    def width(self) -> int:
        """How many images are best judged at once."""
        ...

    def try_out(self) -> bool:
        """Judge where no crash can be to blame; return whether the judge can refuse anything.

        Raises:
            CheckError: it refuses what is right, or accepts everything.
            TooSlowError: it does not end in time.
        """
        ...

    def prepare(self, images: Sequence[DiskImage], demand: Demand) -> None:
        """Judge images at once that will be asked for one after the other."""
        ...

    def complaint(self, image: DiskImage, demand: Demand) -> Complaint | None:
        """Return what is wrong with an image; None if nothing is.

        Raises:
            TooSlowError: it does not end in time.
            NotRunError: the user's function is not run any more.
            CheckError: it names what does not exist.
        """
        ...

    def is_steady(self, image: DiskImage, demand: Demand) -> bool:
        """Whether the judge says the same when it is asked anew."""
        ...

    def differs(self, image: DiskImage, demand: Demand) -> tuple[str, ...]:
        """Return what came back beside what was possible, as lines of a diff; () for no such."""
        ...

    def cells(self, image: DiskImage, demand: Demand) -> tuple[Cell, ...]:
        """Return what is looked at on an image, in order.

        Raises:
            NotRunError: that cannot be found out.
        """
        ...


class CheckJudge:
    """Asks a check, which returns a sentence about what is wrong, or raises.

    Args:
        probing: runs the check.
        recording: what the workload did.
    """

    def __init__(self, probing: Probing, recording: CodeRecording) -> None:
        self._probing = probing
        self._recording = recording

    @property
    def runs(self) -> int:
        """See `Judge`."""
        return self._probing.runs

    @property
    def width(self) -> int:
        """See `Judge`."""
        return self._probing.width

    def try_out(self) -> bool:
        """See `Judge`: a check must accept the finished work, and the beginning with no tokens."""
        recording, tokens = self._recording, len(self._recording.tokens)
        told = f"all {tokens} tokens" if tokens else "nothing"
        finished = self._must_accept(
            recording.finished,
            tokens,
            f"what the workload left, without any crash and with {told} acknowledged",
            "the check is wrong, or the code is without a crash",
        )
        self._probing.limit_by(finished)
        self._must_accept(
            recording.image,
            0,
            "an empty directory, as a crash before the first write leaves it, with nothing "
            "acknowledged",
            "a check must be content with it",
        )
        return self._can_refuse()

    def _must_accept(self, image: DiskImage, acked: int, shown: str, blame: str) -> Answer:
        answer = self._probing.answer(image, acked)
        if answer.endless:
            raise CheckError(f"check: on {shown}: {answer.endless}")
        if answer.raised is not None:
            raise CheckError(
                f"check: expected None for {shown}, but it raised an error; {blame}\n"
                f"{answer.raised.traceback}"
            )
        sentence = _sentence_or_none(answer.value)
        if sentence is not None:
            raise CheckError(
                f"check: expected None for {shown}, but it returned {sentence!r}; {blame}"
            )
        return answer

    def _can_refuse(self) -> bool:
        recording, tokens = self._recording, len(self._recording.tokens)
        try:
            if tokens and not _is_content(self._probing.answer(recording.image, tokens)):
                return True
            if tokens:
                raise CheckError(
                    f"check: expected a complaint about the directory as it was before the "
                    f"workload, with all {tokens} tokens acknowledged, but it accepted that; "
                    f"compare what is left with `acked`, or acknowledge nothing if nothing that "
                    f"was written must survive"
                )
            for batch in _batches(_spoiled(recording.finished), self.width):
                self._probing.prepare(batch, tokens)
                if any(not _is_content(self._probing.answer(each, tokens)) for each in batch):
                    return True
        except NotRunError:
            return False
        return False

    def prepare(self, images: Sequence[DiskImage], demand: Demand) -> None:
        """See `Judge`."""
        self._probing.prepare(images, demand.acked)

    def complaint(self, image: DiskImage, demand: Demand) -> Complaint | None:
        """See `Judge`; lost is what would be accepted if nothing had been acknowledged."""
        told = _complaint(self._probing.answer(image, demand.acked))
        if told is None or not demand.acked or told.endless:
            return None if told is None else told.complaint
        if _complaint(self._probing.answer(image, 0)) is None:
            return told.lost()
        return told.complaint

    def is_steady(self, image: DiskImage, demand: Demand) -> bool:
        """See `Judge`."""
        before = _complaint(self._probing.answer(image, demand.acked))
        return _complaint(self._probing.answer_again(image, demand.acked)) == before

    def differs(self, image: DiskImage, demand: Demand) -> tuple[str, ...]:
        """See `Judge`: a check says it in its sentence."""
        del image, demand
        return ()

    def cells(self, image: DiskImage, demand: Demand) -> tuple[Cell, ...]:
        """See `Judge`."""
        return self._probing.cells(image, demand.acked)


@frozen(kw_only=True)
class _Told:
    """What a check said of an image."""

    complaint: Complaint
    endless: bool

    def lost(self) -> Complaint:
        """Return the complaint as one about what is missing."""
        told = self.complaint
        return Complaint(kind="lost", sentence=told.sentence, place=told.place, line=told.line)


def _complaint(answer: Answer) -> _Told | None:
    if answer.endless:
        sentence = f"the check did not end: {answer.endless}"
        return _Told(complaint=Complaint(kind="damaged", sentence=sentence), endless=True)
    if answer.raised is not None:
        if answer.raised.is_misspelt:
            raise CheckError(
                f"check: expected names and modules that exist, but it raised an error\n"
                f"{answer.raised.traceback}"
            )
        raised = answer.raised
        complaint = Complaint(
            kind="damaged", sentence=raised.sentence, place=raised.place, line=raised.line
        )
        return _Told(complaint=complaint, endless=False)
    sentence_ = _sentence_or_none(answer.value)
    if sentence_ is None:
        return None
    return _Told(complaint=Complaint(kind="damaged", sentence=sentence_), endless=False)


def _is_content(answer: Answer) -> bool:
    return _complaint(answer) is None


def _sentence_or_none(answer: object) -> str | None:
    if answer is None or (isinstance(answer, str) and answer):
        return answer
    raise TypeError(
        f"check: expected None or a sentence but it returned {answer!r} ({type(answer).__name__})"
    )


@frozen
class _Shown:
    """What the program shows of an image: a value, or the error that it raises."""

    value: object
    raised: str = ""

    def is_like(self, other: _Shown) -> bool:
        """Whether a person sees the same."""
        if self.raised or other.raised:
            return self.raised == other.raised
        try:
            return bool(self.value == other.value)
        except Exception as error:
            raise CheckError(
                f"observe: expected values that can be compared but {self.value!r} == "
                f"{other.value!r} raised {type(error).__name__}: {error}"
            ) from error

    def told(self) -> str:
        """Return it in a few words."""
        return _short(self.raised or repr(self.value))

    def lines(self) -> list[str]:
        """Return it as lines."""
        return (self.raised or pprint.pformat(self.value, width=_WIDE)).splitlines()


class ObserveJudge:
    """Compares what the program shows after a crash with what it showed without one.

    Right is what was shown at a moment between the last acknowledgement before the crash and the
    end of the step that the crash interrupted.

    Args:
        probing: runs what observes.
        recording: what the workload did.
        beside: what it did where nothing went wrong, if something went wrong in `recording`.
    """

    def __init__(
        self, probing: Probing, recording: CodeRecording, beside: CodeRecording | None = None
    ) -> None:
        self._probing = probing
        self._moments = _Moments(recording, beside)
        self._shown: dict[bytes, _Shown] = {}

    @property
    def runs(self) -> int:
        """See `Judge`."""
        return self._probing.runs

    @property
    def width(self) -> int:
        """See `Judge`."""
        return self._probing.width

    def try_out(self) -> bool:
        """See `Judge`: what is shown must be the same each time, and change with the work."""
        images = self._moments.images
        self._probing.limit_by(self._answer(images[-1]))
        self._probing.prepare(images, 0)
        shown = [self._at(image) for image in images]
        again = self._told(self._probing.answer_again(images[-1], 0))
        if not again.is_like(shown[-1]):
            raise CheckError(
                f"observe: expected the same each time for the same files but it showed "
                f"{shown[-1].told()} and then {again.told()}; values are compared by ==, so that "
                f"a class of your own needs __eq__"
            )
        if all(each.is_like(shown[0]) for each in shown):
            answer = self._answer(images[-1])
            why = f"\n{answer.raised.traceback}" if answer.raised else ""
            raise CheckError(
                f"observe: expected what changes with the work but it showed {shown[0].told()} at "
                f"all {len(shown)} moments without a crash{why}"
            )
        return True

    def _answer(self, image: DiskImage) -> Answer:
        answer = self._probing.answer(image, 0)
        if answer.raised is not None and answer.raised.is_misspelt:
            raise CheckError(
                f"observe: expected names and modules that exist, but it raised an error\n"
                f"{answer.raised.traceback}"
            )
        return answer

    @staticmethod
    def _told(answer: Answer) -> _Shown:
        if answer.endless:
            return _Shown(None, f"it does not end: {answer.endless}")
        if answer.raised is not None:
            return _Shown(None, answer.raised.sentence)
        return _Shown(answer.value)

    def _at(self, image: DiskImage) -> _Shown:
        digest = image.digest()
        if digest not in self._shown:
            self._shown[digest] = self._told(self._answer(image))
        return self._shown[digest]

    def prepare(self, images: Sequence[DiskImage], demand: Demand) -> None:
        """See `Judge`."""
        del demand
        self._probing.prepare(images, 0)

    def complaint(self, image: DiskImage, demand: Demand) -> Complaint | None:
        """See `Judge`."""
        answer = self._answer(image)
        shown = self._told(answer)
        possible = self._possible(demand)
        if any(shown.is_like(each) for each in possible):
            return None
        earlier = any(shown.is_like(self._at(each)) for each in self._moments.before(demand))
        expected = list(dict.fromkeys(each.told() for each in possible))
        told = " or ".join(dict.fromkeys((expected[0], expected[-1])))
        more = f" or one of {len(expected) - 2} between" if expected[2:] else ""
        raised = answer.raised
        return Complaint(
            kind="lost" if earlier else "damaged",
            sentence=f"{shown.told()} came back, expected {told}{more}",
            place=raised.place if raised else "",
            line=raised.line if raised else "",
        )

    def _possible(self, demand: Demand) -> list[_Shown]:
        """Return what may be shown.

        An error in the middle of the work is no state of the program: it is halfway then.
        """
        shown = [(self._at(each.image), each.is_firm) for each in self._moments.possible(demand)]
        return [each for each, is_firm in shown if is_firm or not each.raised]

    def is_steady(self, image: DiskImage, demand: Demand) -> bool:
        """See `Judge`."""
        del demand
        before = self._told(self._answer(image))
        return self._told(self._probing.answer_again(image, 0)).is_like(before)

    def differs(self, image: DiskImage, demand: Demand) -> tuple[str, ...]:
        """See `Judge`."""
        return tuple(_diff(self._told(self._answer(image)), self._possible(demand)[-1]))

    def cells(self, image: DiskImage, demand: Demand) -> tuple[Cell, ...]:
        """See `Judge`."""
        del demand
        return self._probing.cells(image, 0)


class FilesJudge:
    """Compares the content of each file after a crash with what it had at moments without one.

    A file that is there at no moment is of no interest, as one with a temporary name.

    Args:
        recording: what the workload did.
        beside: what it did where nothing went wrong, if something went wrong in `recording`.
    """

    runs: Final = 0
    width: Final = 1

    def __init__(self, recording: CodeRecording, beside: CodeRecording | None = None) -> None:
        self._moments = _Moments(recording, beside)

    def try_out(self) -> bool:
        """See `Judge`."""
        return True

    def prepare(self, images: Sequence[DiskImage], demand: Demand) -> None:
        """See `Judge`: there is nothing to prepare."""

    def complaint(self, image: DiskImage, demand: Demand) -> Complaint | None:
        """See `Judge`."""
        found = _files(image)
        possible = [_files(each.image) for each in self._moments.possible(demand)]
        for path in sorted({path for each in possible for path in each}):
            content = found.get(path)
            right = [each.get(path) for each in possible]
            if content in right:
                continue
            earlier = any(
                _files(each).get(path) == content for each in self._moments.before(demand)
            )
            told = dict.fromkeys(_content_told(each) for each in (right[0], right[-1]))
            return Complaint(
                kind="lost" if earlier else "damaged",
                sentence=f"{path}: {_content_told(content)} came back, expected "
                f"{' or '.join(told)}",
            )
        return None

    def is_steady(self, image: DiskImage, demand: Demand) -> bool:
        """See `Judge`: nobody is asked."""
        del image, demand
        return True

    def differs(self, image: DiskImage, demand: Demand) -> tuple[str, ...]:
        """See `Judge`: the sentence says it."""
        del image, demand
        return ()

    def cells(self, image: DiskImage, demand: Demand) -> tuple[Cell, ...]:
        """See `Judge`: all that is there."""
        del demand
        return everything(image)


def everything(image: DiskImage) -> tuple[Cell, ...]:
    """Return all that can be read of an image."""
    trace = ReadTrace()
    trace.names(ROOT_INODE)
    for _, inode, node in image.walk():
        if isinstance(node, DirectoryContent):
            trace.names(inode)
        else:
            trace.size(inode)
        if isinstance(node, FileContent):
            trace.blocks(inode, range(len(node.blocks)))
    return trace.cells


@frozen
class _Moment:
    """The disk at a moment without a crash; `is_firm` at the ends, and when something was acked."""

    image: DiskImage
    is_firm: bool


def _moments(recording: CodeRecording) -> Iterator[_Moment]:
    """Yield the disk at each moment, without a crash."""
    pending = PendingOps(recording.image, PROCESS_KILL)
    acks, position = set(_moments_of_acks(recording)), 0
    for number, moment in enumerate(recording.moments):
        pending.take_all(recording.log[position:moment])
        position = moment
        is_firm = number in acks or number in {0, len(recording.moments) - 1}
        yield _Moment(pending.full, is_firm)


class _Moments:
    """The disk at each moment without a crash, and at which of them a program may be after one.

    Where something went wrong on purpose, the state in which a workload ended by an error is no
    such moment; what its success would have left is.
    """

    def __init__(self, recording: CodeRecording, beside: CodeRecording | None) -> None:
        self._own = list(_moments(recording))
        self.images: Final = [each.image for each in self._own]
        self._has_raised = bool(recording.ended_by)
        self._others = [] if beside is None else list(_moments(beside))
        self._acks = [0] if beside is None else [0, *_moments_of_acks(beside)]

    def possible(self, demand: Demand) -> list[_Moment]:
        """Return the moments at which a program may be."""
        own = self._own[demand.earliest : demand.latest + 1]
        if self._has_raised and demand.latest == len(self.images) - 1:
            own = own[:-1]
        acked = min(demand.acked, len(self._acks) - 1)
        return own + self._others[self._acks[acked] :]

    def before(self, demand: Demand) -> list[DiskImage]:
        """Return the disk at the moments before the last acknowledgement."""
        return self.images[: demand.earliest]


def _moments_of_acks(recording: CodeRecording) -> Iterator[int]:
    for position, record in enumerate(recording.log, start=1):
        if isinstance(record, Mark):
            yield recording.moments.index(position)


def _files(image: DiskImage) -> dict[str, bytes]:
    return {
        path: node.read(0, node.size)
        for path, _, node in image.walk()
        if isinstance(node, FileContent)
    }


def _content_told(content: bytes | None) -> str:
    if content is None:
        return "no file"
    return f"{len(content)} bytes {_short(repr(content))}" if content else "an empty file"


def _diff(shown: _Shown, expected: _Shown) -> Iterator[str]:
    told = difflib.unified_diff(expected.lines(), shown.lines(), lineterm="", n=1)
    lines = [line for line in islice(told, 2, None) if not line.startswith("@@")]
    for line in lines[:_DIFF_LINES]:
        yield line if len(line) <= _DIFF_WIDE else f"{line[:_DIFF_WIDE]}..."
    if len(lines) > _DIFF_LINES:
        yield f"... {len(lines) - _DIFF_LINES} more lines"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDE else f"{line[:_WIDE]}..."


def _batches(images: Iterator[DiskImage], width: int) -> Iterator[list[DiskImage]]:
    batch: list[DiskImage] = []
    for image in images:
        batch.append(image)
        if len(batch) == width:
            yield batch
            batch = []
    if batch:
        yield batch


def _spoiled(finished: DiskImage) -> Iterator[DiskImage]:
    """Yield the image with each file in turn cut to half its size, then with its bits flipped."""
    files = [
        (inode, node)
        for _, inode, node in finished.walk()
        if isinstance(node, FileContent) and node.size
    ]
    for inode, node in files[:_MOST_SPOILED]:
        content = node.read(0, node.size)
        yield finished.derive({inode: FileContent.of(content[: node.size // 2])})
        yield finished.derive({inode: FileContent.of(bytes(each ^ 0xFF for each in content))})
