"""What is wrong with an image: `Judge`, and the judge that asks a check.

`CheckJudge` asks a check that complains; observing.py has the judges that need none. A judge that
accepts everything, or that is wrong without a crash, is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from attrs import frozen

from wavetank.scenarios.code.asking.answers import Answer, NotRunError, Probing
from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.scenarios.code.report import FindingKind
from wavetank.sim import (
    ROOT_INODE,
    Cell,
    DirectoryContent,
    DiskImage,
    FileContent,
    ReadTrace,
)

__all__ = ["CheckJudge", "Complaint", "Demand", "Judge", "everything"]

_MOST_SPOILED: Final = 64
"""Files that are spoiled, one at a time, to see the check refuse something."""


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
        expected: what could have come back, if that is known.
        shown: what came back; "" if nobody says.
    """

    kind: FindingKind
    sentence: str
    place: str = ""
    line: str = ""
    expected: tuple[str, ...] = ()
    shown: str = ""


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
            f"{_beginning(recording)}, as a crash before the first write leaves it, with nothing "
            f"acknowledged",
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


def _beginning(recording: CodeRecording) -> str:
    below = recording.directory.rstrip("/") + "/"
    is_empty = not any(path.startswith(below) for path, _, _ in recording.image.walk())
    return "an empty directory" if is_empty else "the directory as it was at the beginning"


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
