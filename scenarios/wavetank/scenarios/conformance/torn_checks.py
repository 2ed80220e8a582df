"""Checks of torn tails and of damage, on any format: by what the store itself wrote.

A torn tail is an image that a power cut in the middle of an append may leave: the store opens, with
what was acknowledged, and the batch is there or not. Damage changes bytes after a clean close: the
store refuses, or shows what was written. Which images count under which name is told by comparing
bytes with what was there before and what would have been there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

from wavetank.engine import LogEntry, Storage
from wavetank.scenarios.conformance.check import (
    CheckFailure,
    CheckSkipped,
    entries,
    expect,
    group_of,
)
from wavetank.scenarios.conformance.store_harness import (
    StoreHarness,
    right_or_refused,
    with_contents,
)
from wavetank.scenarios.stores.capabilities import Capability
from wavetank.sim import POSIX, SECTOR_SIZE, DiskImage, PendingOps, Sync, all_images

__all__ = ["TORN"]

_ENTRY_BYTES: Final = 700
_FIRST: Final = entries(1, 3, size_bytes=_ENTRY_BYTES)
_BATCH: Final = entries(4, 3, size_bytes=_ENTRY_BYTES)
_HEAD_BYTES: Final = 16


@frozen
class _TornFile:
    """One file of an image: what it held, what it would hold, and what it holds; None: no file."""

    old: bytes | None
    new: bytes | None
    now: bytes | None

    def arrived(self) -> list[bool]:
        """For each sector that the append changes, whether it is there."""
        old, new, now = self.old or b"", self.new or b"", self.now or b""
        sectors = (slice(at, at + SECTOR_SIZE) for at in range(0, len(new), SECTOR_SIZE))
        return [
            now[sector].ljust(len(new[sector]), b"\0") == new[sector]
            for sector in sectors
            if old[sector].ljust(len(new[sector]), b"\0") != new[sector]
        ]


@frozen
class _ClosedStore:
    """A store that was closed cleanly, and the file that holds its log."""

    harness: StoreHarness
    image: DiskImage
    path: str
    content: bytes

    def holds_or_refuses(self, changed: bytes, damage: str) -> None:
        """Require that a store with this content in its log is right or refuses."""
        image = with_contents(self.image, {self.path: changed})
        right_or_refused(self.harness, image, _FIRST + _BATCH, f"{self.path}: {damage}")


def empty_tail_file(harness: StoreHarness) -> None:
    """A file that is there and empty, since its content never came, is no reason to refuse."""
    _survives(harness, lambda file: bool(file.new) and not file.old and file.now == b"")


def missing_tail_file(harness: StoreHarness) -> None:
    """A file whose name never came is no reason to refuse."""
    _survives(harness, lambda file: bool(file.new) and file.old is None and file.now is None)


def zeroed_last_frame(harness: StoreHarness) -> None:
    """A batch of which only the length came, and zeros, is not there."""
    _survives(harness, lambda file: _has_grown(file) and not any(file.arrived()))


def partial_first_batch(harness: StoreHarness) -> None:
    """A first batch ever that is torn leaves an empty log, which takes it again."""
    _survives(harness, _is_torn, first=())


def hole_inside_batch(harness: StoreHarness) -> None:
    """A batch whose middle never came is not there."""
    _survives(harness, lambda file: _ends(file) == (True, True) and not all(file.arrived()))


def torn_sector_no_resurrection(harness: StoreHarness) -> None:
    """A batch torn over a removed one shows neither of the two in part."""
    _survives(harness, _is_torn, removed=entries(4, 3, term=2, size_bytes=_ENTRY_BYTES))


def cut_mid_record(harness: StoreHarness) -> None:
    """A batch of which the file ends in the middle is not there."""
    _survives(harness, lambda file: _is_torn(file) and len(file.now or b"") < len(file.new or b""))


def tear_across_sectors(harness: StoreHarness) -> None:
    """A batch whose first bytes never came, but later ones did, is not there."""
    _survives(harness, lambda file: _ends(file) == (False, True))


def length_beyond_end(harness: StoreHarness) -> None:
    """A batch of which only the beginning came, its length perhaps, is not there."""
    _survives(harness, lambda file: _ends(file) == (True, False))


def damaged_header(harness: StoreHarness) -> None:
    """A log whose first bytes were altered is refused, or does not need them."""
    closed = _closed(harness)
    for place in range(_HEAD_BYTES):
        _strike(closed, place, "the beginning of the log")


def damaged_committed_entry_is_error(harness: StoreHarness) -> None:
    """An entry in the middle of the log that was altered is refused, wherever it was hit."""
    closed = _closed(harness)
    start = closed.content.index(_FIRST[1].command)
    for place in (*range(start - _HEAD_BYTES, start), start, start + 350, start + _ENTRY_BYTES - 1):
        _strike(closed, place, "entry 2")


def shortened_file_after_clean_close_is_error(harness: StoreHarness) -> None:
    """A log that has lost its end after a clean close is refused."""
    closed = _closed(harness)
    end = closed.content.index(_BATCH[-1].command) + _ENTRY_BYTES
    for cut in (1, 100, 1000, _ENTRY_BYTES, 2 * _ENTRY_BYTES):
        closed.holds_or_refuses(closed.content[: end - cut], f"the last {cut} bytes lost")


def checksum_chain(harness: StoreHarness) -> None:
    """One entry's bytes in the place of another's are refused."""
    closed = _closed(harness)
    one, other = _FIRST[1], _BATCH[1]
    changed = closed.content.replace(other.command, one.command, 1)
    closed.holds_or_refuses(changed, f"the command of entry {one.index} in entry {other.index}")


def _strike(closed: _ClosedStore, place: int, what: str) -> None:
    """Alter one byte and see what the store makes of it."""
    changed = bytearray(closed.content)
    changed[place] ^= 0x10
    closed.holds_or_refuses(bytes(changed), f"byte {place} altered ({what})")


def _closed(harness: StoreHarness) -> _ClosedStore:
    """Return a store that was closed cleanly, and the file that holds its log."""
    store = harness.open()
    store.append_log_entries(_FIRST)
    store.append_log_entries(_BATCH)
    harness.close(store)
    for path, content in harness.files().items():
        if all(entry.command in content for entry in _FIRST + _BATCH):
            return _ClosedStore(harness, harness.image(), path, content)
    raise CheckSkipped("no file holds the commands as they were given")


def _has_grown(file: _TornFile) -> bool:
    return bool(file.new) and len(file.now or b"") == len(file.new or b"")


def _is_torn(file: _TornFile) -> bool:
    arrived = file.arrived()
    return any(arrived) and not all(arrived)


def _ends(file: _TornFile) -> tuple[bool, bool] | None:
    """Return whether the first and the last sector of what was written are there."""
    arrived = file.arrived()
    return (arrived[0], arrived[-1]) if len(arrived) > 1 else None


def _survives(
    harness: StoreHarness,
    wanted: Callable[[_TornFile], bool],
    *,
    first: tuple[LogEntry, ...] = _FIRST,
    removed: tuple[LogEntry, ...] = (),
) -> None:
    """Require that the store copes with each image of a torn append that has such a file."""
    store = harness.open()
    if first:
        store.append_log_entries(first)
    if removed:
        store.append_log_entries(removed)
        store.truncate_log_suffix(removed[0].index)
    batch = entries(len(first) + 1, 3, size_bytes=_ENTRY_BYTES)
    met = False
    for image in _torn_images(harness, store, batch, wanted):
        met = True
        _opens_right(harness.another(image), first, batch)
    if not met:
        raise CheckSkipped("no power cut can leave this: the store's order of writes forbids it")


def _torn_images(
    harness: StoreHarness,
    store: Storage,
    batch: tuple[LogEntry, ...],
    wanted: Callable[[_TornFile], bool],
) -> Iterator[DiskImage]:
    """Append a batch, and yield what a power cut before its first sync may leave of that."""
    start = len(harness.disk.log)
    before = harness.files()
    store.append_log_entries(batch)
    pending = PendingOps(harness.disk.image, POSIX)
    seen: set[bytes] = set()
    for position, record in enumerate(harness.disk.log):
        if position >= start and isinstance(record, Sync):
            full = pending.full.files()
            for kept in all_images(pending, limit=512).images:
                image = pending.image(kept)
                if image.digest() not in seen and any(
                    wanted(file) for file in _changed(before, full, image.files())
                ):
                    seen.add(image.digest())
                    yield image
        pending.take(record)


def _changed(
    old: dict[str, bytes], new: dict[str, bytes], now: dict[str, bytes]
) -> Iterator[_TornFile]:
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            yield _TornFile(old.get(path), new.get(path), now.get(path))


def _opens_right(
    harness: StoreHarness, first: tuple[LogEntry, ...], batch: tuple[LogEntry, ...]
) -> None:
    store = harness.open()
    begin, last = store.first_log_index, store.last_log_index
    shown = tuple(store.get_log_entries(begin, last + 1)) if begin <= last else ()
    whole = first + batch
    atomic = harness.adapter.has(Capability.ATOMIC_BATCHES)
    legal = (
        (first, whole)
        if atomic
        else tuple(whole[:end] for end in range(len(first), len(whole) + 1))
    )
    if shown not in legal:
        raise CheckFailure(
            f"after a torn append: expected entries 1..{len(first)}, and of "
            f"{batch[0].index}..{batch[-1].index} all or none, but {len(shown)} came back"
        )
    more = entries(len(shown) + 1, 1, term=7)
    store.append_log_entries(more)
    store = harness.reopen(store)
    expect(
        tuple(store.get_log_entries(1, len(shown) + 2)), shown + more, "the log one append later"
    )


_DAMAGE = (Capability.DETECTS_DAMAGE,)

TORN: Final = group_of(
    "torn",
    (
        (empty_tail_file, ()),
        (missing_tail_file, ()),
        (zeroed_last_frame, ()),
        (partial_first_batch, ()),
        (hole_inside_batch, ()),
        (damaged_header, _DAMAGE),
        (damaged_committed_entry_is_error, _DAMAGE),
        (shortened_file_after_clean_close_is_error, _DAMAGE),
        (torn_sector_no_resurrection, (Capability.TRUNCATE_SUFFIX,)),
        (cut_mid_record, ()),
        (tear_across_sectors, ()),
        (length_beyond_end, ()),
        (checksum_chain, _DAMAGE),
    ),
)
"""Every check of this group."""
