"""Judges that need no check: what is right was there at a moment without a crash.

`ObserveJudge` compares what the program shows after a crash with what it showed at moments without
one. `FilesJudge` does the same with the content of files, where nothing else is known.
"""

from __future__ import annotations

import difflib
import pprint
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from attrs import frozen

from wavetank.scenarios.code.asking.answers import Answer, Probing
from wavetank.scenarios.code.asking.judging import Complaint, Demand, everything
from wavetank.scenarios.code.errors import CheckError
from wavetank.scenarios.code.recording import CodeRecording
from wavetank.sim import PROCESS_KILL, Cell, DiskImage, FileContent, Mark, PendingOps

__all__ = ["FilesJudge", "ObserveJudge"]

_WIDE: Final = 60
_DIFF_LINES: Final = 12
_DIFF_WIDE: Final = 100


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
            expected=tuple(expected),
            shown=shown.told(),
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
                expected=tuple(f"{path}: {each}" for each in told),
                shown=f"{path}: {_content_told(content)}",
            )
        return None

    def is_steady(self, image: DiskImage, demand: Demand) -> bool:
        """See `Judge`: the contents are compared, which gives the same each time."""
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
