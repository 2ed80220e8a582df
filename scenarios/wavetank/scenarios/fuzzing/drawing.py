"""Steps that a node may take next, drawn from a swarm: each is legal in the state that is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random  # noqa: TID251 - seeded by the caller
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import evolve

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios.fuzzing.swarm import Swarm, by_chance, few_to_many
from wavetank.scenarios.raft.model import EMPTY, ModelState, acknowledge
from wavetank.scenarios.raft.steps import (
    Append,
    Cancelled,
    Inspect,
    Interrupted,
    KillProcess,
    OpenAgain,
    OpenStore,
    Read,
    Refused,
    Reopen,
    SaveSnapshot,
    SaveState,
    Step,
    TruncatePrefix,
    TruncateSuffix,
)
from wavetank.scenarios.raft.workloads.actions import (
    append_move,
    compaction_move,
    conflict_move,
    installation_move,
    read_move,
    snapshot_move,
    stale_snapshot_move,
    stale_vote_move,
    vote_move,
)
from wavetank.scenarios.raft.workloads.boundary_values import (
    INDICES,
    LARGEST,
    NAMES,
    TERMS,
    LogFill,
    around,
    snapshot_sizes,
)
from wavetank.sim import BLOCK_SIZE, SECTOR_SIZE, Profile

__all__ = ["StepDrawer", "draw_steps"]

_LARGE_CHUNK: Final = 8192
"""A chunk above this is no boundary of small stores."""
_TRIES: Final = 6
_FEW: Final = 4
_PEERS: Final = ("node-a", "node-b", "node-c")
_CHANGES: Final = ("vote", "append", "conflict", "compact", "snapshot", "install", "branch")

_Draw: TypeAlias = Callable[["StepDrawer"], Step | None]


def draw_steps(
    random: Random,
    swarm: Swarm,
    options: FileStorageOptions,
    profile: Profile,
    begin: tuple[Step, ...] = (),
) -> tuple[Step, ...]:
    """Return steps behind others that were drawn before.

    Args:
        random: the stream that everything is drawn from.
        swarm: what may be used.
        options: of the store.
        profile: what power cuts inside calls may lose.
        begin: the steps before; the first opens the store.
    """
    steps = list(begin or (OpenStore(),))
    state = EMPTY
    for step in steps:
        state = acknowledge((state,), step, options)[-1]
    drawer = StepDrawer(random, swarm, options, profile)
    for place in range(swarm.steps):
        step = drawer.next(state, len(steps) + place)
        steps.append(step)
        state = acknowledge((state,), step, options)[-1]
    return tuple(steps)


class StepDrawer:
    """Draws one step after the other.

    Args:
        random: the stream that everything is drawn from.
        swarm: what may be used.
        options: of the store.
        profile: what power cuts inside calls may lose.
    """

    def __init__(
        self, random: Random, swarm: Swarm, options: FileStorageOptions, profile: Profile
    ) -> None:
        self.random = random
        self.profile = profile
        self.swarm = swarm
        self.options = options
        self.shown = EMPTY
        self.mark = 0
        self._fill = LogFill()

    def next(self, shown: ModelState, mark: int) -> Step:
        """Return a step for a store.

        Args:
            shown: what it shows.
            mark: makes commands differ from those of other steps.
        """
        self.shown, self.mark = shown, mark * 1000
        for _ in range(_TRIES):
            step = _DRAWN[self.random.choice(self.swarm.operations)](self)
            if step is not None:
                self._follow(step)
                return step
        return Reopen()

    # Values

    def has(self, value: str) -> bool:
        """Whether a kind of value is to be used now."""
        return value in self.swarm.values and by_chance(self.random, 0.5)

    def size(self) -> int:
        """Return the size of a command in bytes."""
        size = self._size(self.random.choice(self.swarm.values))
        return min(size, self.options.max_entry_size)

    def _size(self, value: str) -> int:
        chunk = self.options.chunk_size
        match value:
            case "empty":
                return 0
            case "sector":
                return self.random.choice((*around(SECTOR_SIZE), SECTOR_SIZE - 88))
            case "block":
                return self.random.choice(around(BLOCK_SIZE))
            case "chunk" if chunk <= _LARGE_CHUNK:
                return self.random.choice((*around(chunk), 2 * chunk))
            case "medium":
                return self.random.randint(40, 2500)
            case _:
                return self.random.randint(1, 40)

    def _frame_to_end(self) -> int:
        """Return the size of a command whose frame ends at a multiple of a unit, or beside it."""
        units = [SECTOR_SIZE, BLOCK_SIZE, self.options.chunk_size]
        unit = self.random.choice([unit for unit in units if unit <= _LARGE_CHUNK])
        size = LogFill.to_end_at(_copy(self._fill), unit, past=self.random.choice((-1, 0, 1)))
        return min(size, self.options.max_entry_size)

    def sizes(self) -> tuple[int, ...]:
        """Return the sizes of the commands of a batch."""
        if self.has("frame end"):
            return (self._frame_to_end(),)
        if self.has("many entries"):
            return tuple(self.random.randint(0, 9) for _ in range(self.random.randint(9, 130)))
        return tuple(self.size() for _ in range(self.random.choice((1, 1, 1, 2, 3, 5))))

    def snapshot_size(self) -> int:
        """Return the size of a snapshot in bytes."""
        chunk = self.options.chunk_size
        if by_chance(self.random, 0.5) and chunk <= _LARGE_CHUNK:
            return self.random.choice(snapshot_sizes(chunk))
        return self._size(self.random.choice(self.swarm.values))

    def name(self) -> str:
        """Return a candidate."""
        return self.random.choice(NAMES if self.has("odd name") else ("", *_PEERS))

    def terms_ahead(self) -> int:
        """Return by how much a term rises."""
        now = self.shown.state.current_term
        if self.has("high term"):
            higher = [term for term in TERMS if now < term <= self.swarm.largest]
            if higher:
                return self.random.choice(higher) - now
        return min(self.random.choice((0, 0, 1, 1, 2, 7)), LARGEST - now)

    def overrides(self) -> tuple[str, ...]:
        """Return what a new process does otherwise than the first."""
        if not self.swarm.layouts or by_chance(self.random, 0.3):
            return ()
        return (self.random.choice(self.swarm.layouts),)

    def few(self) -> int:
        """Return a small number, at times as many entries as there are."""
        if by_chance(self.random, 0.15):
            return len(self.shown.entries)
        return self.random.randint(0, _FEW)

    @property
    def covered(self) -> int:
        """The last index that the snapshot stands for."""
        snapshot = self.shown.snapshot
        return 0 if snapshot is None else snapshot[0].last_included_index

    def chunked(self, step: SaveSnapshot | None) -> SaveSnapshot | None:
        """Return a snapshot, at times with its data in chunks."""
        if step is None or not step.data or not self.has("data in chunks"):
            return step
        chunk = self.options.chunk_size
        sizes = (max(1, len(step.data) // 3), len(step.data), *around(min(chunk, _LARGE_CHUNK)))
        return evolve(step, chunk_bytes=self.random.choice(sizes))

    def _follow(self, step: Step) -> None:
        """Follow the end of the log, about: where a frame is to end is a matter of luck anyway."""
        match step:
            case Append(entries):
                self._fill.add(*(len(entry.command) for entry in entries))
            case TruncatePrefix() | SaveSnapshot():
                self._fill = LogFill()
                kept = acknowledge((self.shown,), step, self.options)[-1].entries
                if kept:
                    self._fill.add(*(len(entry.command) for entry in kept))
            case _:
                pass


def _copy(fill: LogFill) -> LogFill:
    copy = LogFill()
    copy.end = fill.end
    return copy


# Steps


def _vote(draw: StepDrawer) -> Step:
    return vote_move(draw.shown, terms_ahead=draw.terms_ahead(), candidate=draw.name())


def _append(draw: StepDrawer) -> Step | None:
    sizes = draw.sizes()
    if not sizes or draw.shown.last_index + len(sizes) > LARGEST:
        return None
    step = append_move(draw.shown, sizes_bytes=sizes, mark=draw.mark)
    if not draw.has("terms in a batch"):
        return step
    # As a follower is sent entries of several leaders at once.
    last, term = draw.shown.term_at(draw.shown.last_index) or 0, step.entries[-1].term
    terms = sorted(draw.random.randint(max(last, 0), term) for _ in step.entries)
    return Append(
        tuple(
            LogEntry(entry.index, each, entry.command)
            for entry, each in zip(step.entries, terms, strict=True)
        )
    )


def _conflict(draw: StepDrawer) -> Step | None:
    return conflict_move(draw.shown, count=max(1, draw.few()))


def _compact(draw: StepDrawer) -> Step | None:
    return compaction_move(
        draw.shown,
        keep=draw.few(),
        needs_snapshot=draw.options.compaction_requires_snapshot,
    )


def _snapshot(draw: StepDrawer) -> SaveSnapshot | None:
    step = snapshot_move(draw.shown, back=draw.few(), size_bytes=draw.snapshot_size())
    return draw.chunked(step)


def _install(draw: StepDrawer) -> SaveSnapshot | None:
    ahead = draw.random.choice((1, 1, 2, 9))
    if draw.has("far index"):
        least, most = draw.shown.last_index, draw.swarm.largest
        far = [index for index in INDICES if least < index <= most]
        ahead = draw.random.choice(far) - draw.shown.last_index if far else ahead
    if draw.shown.last_index + ahead > LARGEST:
        return None
    step = installation_move(draw.shown, ahead=ahead, size_bytes=draw.snapshot_size())
    return draw.chunked(step)


def _branch(draw: StepDrawer) -> SaveSnapshot | None:
    """Return a snapshot of an index that the log holds with another term."""
    index = draw.shown.last_index - draw.few()
    settled = max(draw.covered, draw.shown.compactable_through, draw.shown.base_index)
    held = draw.shown.term_at(index)
    now = draw.shown.state.current_term
    if index <= settled or held is None or not held < now:
        return None
    data = b"of another leader"[: draw.snapshot_size()]
    return draw.chunked(SaveSnapshot(SnapshotMetadata(index, now), data))


def _snapshot_again(draw: StepDrawer) -> SaveSnapshot | None:
    """Return a snapshot of the same index and term with other content."""
    snapshot = draw.shown.snapshot
    if snapshot is None or draw.shown.base_index > snapshot[0].last_included_index:
        return None
    data = (b"again %d " % draw.mark * 2000)[: draw.snapshot_size()]
    return draw.chunked(SaveSnapshot(snapshot[0], data))


def _nothing(draw: StepDrawer) -> Step:
    """Return a call that changes nothing."""
    shown = draw.shown
    calls: list[Step] = [
        SaveState(shown.state),
        TruncatePrefix(max(1, shown.base_index + 1)),
        TruncatePrefix(max(1, shown.base_index)),
    ]
    if shown.last_index < LARGEST:
        calls.append(TruncateSuffix(shown.last_index + 1))
    return draw.random.choice(calls)


def _read(draw: StepDrawer) -> Step | None:
    return read_move(draw.shown, back=draw.few() + 1, count=draw.few() + 1)


def _refused(draw: StepDrawer) -> Step | None:
    return draw.random.choice(_REFUSED)(draw)


def _cancelled(draw: StepDrawer) -> Step | None:
    names = [name for name in draw.swarm.operations if name in _CHANGES]
    step = _DRAWN[draw.random.choice(names)](draw)
    changes = (SaveState, Append, TruncateSuffix, TruncatePrefix, SaveSnapshot)
    if not isinstance(step, changes):
        return None
    if isinstance(step, SaveSnapshot) and by_chance(draw.random, 0.3):
        return Cancelled(step, in_data=True)
    return Cancelled(step, draw.random.choice((0, 0, 1, 1, 2, 3, 5)))


def _interrupted(draw: StepDrawer) -> Step | None:
    names = [name for name in draw.swarm.operations if name in _CHANGES]
    step = _DRAWN[draw.random.choice(names)](draw)
    if not isinstance(step, (SaveState, Append, TruncateSuffix, TruncatePrefix, SaveSnapshot)):
        return None
    random = draw.random
    return Interrupted(
        step,
        draw.profile,
        after=few_to_many(random, 40) - 1,
        newest=random.choice((0, 1, 1, 2, 3, 5, 40)),
        also=tuple(random.sample(range(6), random.choice((0, 0, 1, 2)))),
        torn_sectors=random.choice((0, 0, random.randrange(256))),
    )


def _reopen(draw: StepDrawer) -> Step:
    return Reopen(draw.overrides())


def _kill(draw: StepDrawer) -> Step:
    return KillProcess(draw.overrides())


def _inspect(draw: StepDrawer) -> Step:
    return Inspect(backup=by_chance(draw.random, 0.4))


_DRAWN: Final[Mapping[str, _Draw]] = MappingProxyType(
    {
        "vote": _vote,
        "append": _append,
        "conflict": _conflict,
        "compact": _compact,
        "snapshot": _snapshot,
        "install": _install,
        "branch": _branch,
        "snapshot again": _snapshot_again,
        "nothing to do": _nothing,
        "read": _read,
        "refused": _refused,
        "inspect": _inspect,
        "reopen": _reopen,
        "kill": _kill,
        "cancelled": _cancelled,
        "power cut": _interrupted,
    }
)

# Calls that must be refused


def _other_vote(draw: StepDrawer) -> Step | None:
    state = draw.shown.state
    if not state.voted_for:
        return None
    other = draw.random.choice(("", f"{state.voted_for}x"[-40:]))
    if other == state.voted_for:
        return None
    return Refused(SaveState(PersistentState(state.current_term, other)))


def _gap(draw: StepDrawer) -> Step | None:
    last = draw.shown.last_index
    index = last + draw.random.choice((2, 3, 0, -1))
    return _refused_append(draw, index, 1) if 1 <= index < LARGEST else None


def _hole(draw: StepDrawer) -> Step | None:
    last, term = draw.shown.last_index, _term(draw)
    if last + 4 > LARGEST:
        return None
    indices = draw.random.choice(((1, 3), (1, 1), (2, 1), (1, 2, 4)))
    entries = tuple(LogEntry(last + index, term, b"hole") for index in indices)
    return Refused(Append(entries))


def _falling_term(draw: StepDrawer) -> Step | None:
    last = draw.shown.last_index
    held = draw.shown.term_at(last)
    if not held or last + 2 > LARGEST:
        return None
    if by_chance(draw.random, 0.5):
        return Refused(Append((LogEntry(last + 1, held - 1, b"falls"),)))
    return Refused(
        Append((LogEntry(last + 1, held, b"first"), LogEntry(last + 2, held - 1, b"falls")))
    )


def _too_large(draw: StepDrawer) -> Step | None:
    most = draw.options.max_entry_size
    if most > _LARGE_CHUNK or draw.shown.last_index + 2 > LARGEST:
        return None
    return _refused_append(draw, draw.shown.last_index + 1, most + 1)


def _no_entries(_: StepDrawer) -> Step:
    return Refused(Append(()))


def _second_opener(_: StepDrawer) -> Step:
    return Refused(OpenAgain())


def _refused_append(draw: StepDrawer, index: int, size: int) -> Step:
    return Refused(Append((LogEntry(index, _term(draw), b"x" * size),)))


def _bad_read(draw: StepDrawer) -> Step | None:
    shown, last = draw.shown, draw.shown.last_index
    first = max(1, shown.base_index + 1)
    ranges = [(first, first), (last + 1, last + 2), (first, last + 2)]
    if shown.base_index >= 1:
        ranges += [(shown.base_index, last + 1), (shown.base_index, shown.base_index + 1)]
    start, end = draw.random.choice(ranges)
    return Refused(Read(start, end)) if end <= LARGEST else None


def _bad_suffix(draw: StepDrawer) -> Step | None:
    indices = [draw.shown.last_index + 2]
    if draw.covered:
        indices += [draw.covered, 1]
    index = draw.random.choice(indices)
    return Refused(TruncateSuffix(index)) if index <= LARGEST else None


def _bad_prefix(draw: StepDrawer) -> Step | None:
    shown, last = draw.shown, draw.shown.last_index
    if by_chance(draw.random, 0.5):
        return Refused(TruncatePrefix(last + 2)) if last + 2 <= LARGEST else None
    index = last + 1 - draw.few()
    through = index - draw.options.retained_log_size
    if not draw.options.compaction_requires_snapshot or through <= shown.base_index + 1:
        return None
    settled = max(shown.base_index, shown.compactable_through)
    return Refused(TruncatePrefix(index)) if index > draw.covered + 1 > settled else None


def _other_term(draw: StepDrawer) -> Step | None:
    """Return a snapshot of the current one's index, with another term."""
    snapshot = draw.shown.snapshot
    if snapshot is None:
        return None
    index, term = snapshot[0].last_included_index, snapshot[0].last_included_term
    if term >= LARGEST:
        return None
    return Refused(SaveSnapshot(SnapshotMetadata(index, term + 1), b"of another term"))


def _term(draw: StepDrawer) -> int:
    return max(1, draw.shown.term_at(draw.shown.last_index) or 0, draw.shown.state.current_term)


_REFUSED: Final[tuple[_Draw, ...]] = (
    lambda draw: stale_vote_move(draw.shown),
    lambda draw: stale_snapshot_move(draw.shown),
    _other_vote,
    _gap,
    _hole,
    _falling_term,
    _too_large,
    _no_entries,
    _second_opener,
    _bad_read,
    _bad_suffix,
    _bad_prefix,
    _other_term,
)
