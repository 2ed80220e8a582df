"""Damage to one place of a store: eight kinds, as values, and the files that they leave.

All of it is derived from the place, so that the same damage always leaves the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Final

from attrs import evolve, frozen

from wavetank.scenarios.corruption.damaged_store import LOG, SNAPSHOT, Files, StoreRecord
from wavetank.scenarios.corruption.regions import Region, regions
from wavetank.sim import SECTOR_SIZE

__all__ = ["Damage", "DamageKind", "DamagedFiles", "damages", "inflict"]

_GARBAGE_BYTES: Final = (1, 72, 700)


class DamageKind(Enum):
    """What happens to a place of a file."""

    BIT_FLIP = "bit flip"
    ZEROED_SECTOR = "zeroed sector"
    STALE_SECTOR = "stale sector"
    SHORTENED = "shortened"
    LENGTHENED = "lengthened"
    MISSING = "missing"
    UNREADABLE = "EIO on read"
    OLDER_VERSION = "older version"


@frozen(order=True, kw_only=True)
class Damage:
    """One fault in one place.

    Attributes:
        kind: what happens.
        region: where.
        choice: which, where there are several: the older version, counted backwards, or the piece
            of garbage.
    """

    kind: DamageKind
    region: Region
    choice: int = 0

    def __str__(self) -> str:
        which = f" {self.choice}" if self.choice else ""
        place = f"{self.region.file} at {self.region.begin} ({self.region.meaning})"
        return f"{self.kind.value}{which}: {place}"


@frozen(kw_only=True)
class DamagedFiles:
    """A store's files with damage done.

    Attributes:
        files: what they hold.
        unreadable: bytes that the medium does not give back, as pairs of begin and end, by name.
    """

    files: Files
    unreadable: Mapping[str, tuple[tuple[int, int], ...]]


def damages(record: StoreRecord) -> Iterator[Damage]:
    """Yield every damage of the matrix to a store, each that leaves something of its own once."""
    untouched = DamagedFiles(files=record.files, unreadable={})
    seen = {_key(untouched)}
    for damage in _all(record):
        key = _key(inflict(damage, record, untouched))
        if key not in seen:
            seen.add(key)
            yield damage


def _all(record: StoreRecord) -> Iterator[Damage]:
    for region in regions(record):
        if region.meaning == "whole file":
            yield from _to_whole_file(record, region)
        else:
            for kind in _TO_REGIONS:
                yield Damage(kind=kind, region=region)
    for name, versions in record.older.items():
        if name not in record.files:
            region = Region(file=name, begin=0, end=0, meaning="whole file")
            for choice in range(len(versions)):
                yield Damage(kind=DamageKind.OLDER_VERSION, region=region, choice=choice)


def _to_whole_file(record: StoreRecord, region: Region) -> Iterator[Damage]:
    yield Damage(kind=DamageKind.MISSING, region=region)
    if region.end or region.file != SNAPSHOT:
        # Nobody need read a snapshot in which nothing is.
        yield Damage(kind=DamageKind.UNREADABLE, region=region)
    yield Damage(kind=DamageKind.SHORTENED, region=region)
    for choice in range(len(_GARBAGE_BYTES) + (region.file == LOG and len(record.frames) > 0)):
        yield Damage(kind=DamageKind.LENGTHENED, region=region, choice=choice)
    for choice in range(len(record.older.get(region.file, ()))):
        yield Damage(kind=DamageKind.OLDER_VERSION, region=region, choice=choice)


def _key(damaged: DamagedFiles) -> tuple[object, ...]:
    return tuple(damaged.files.items()), tuple(sorted(damaged.unreadable.items()))


def inflict(damage: Damage, record: StoreRecord, before: DamagedFiles) -> DamagedFiles:
    """Return the files after `damage` to `before`.

    Args:
        damage: what happens, and where.
        record: the undamaged store, which knows older versions.
        before: files that may be damaged already; `damage` changes nothing where its file is gone.
    """
    name = damage.region.file
    content = before.files.get(name)
    if damage.kind is DamageKind.OLDER_VERSION:
        content = record.older[name][damage.choice]
    elif content is None:
        return before
    elif damage.kind is DamageKind.MISSING:
        content = None
    elif damage.kind is DamageKind.UNREADABLE:
        return evolve(before, unreadable=_with_unreadable(before, damage.region))
    else:
        content = _CHANGES[damage.kind](content, damage, record)
    files = {other: held for other, held in before.files.items() if other != name}
    if content is not None:
        files[name] = content
    return evolve(before, files=dict(sorted(files.items())))


def _sector(region: Region) -> tuple[int, int]:
    begin = region.begin // SECTOR_SIZE * SECTOR_SIZE
    return begin, begin + SECTOR_SIZE


def _with_unreadable(
    before: DamagedFiles, region: Region
) -> dict[str, tuple[tuple[int, int], ...]]:
    place = (0, max(region.end, 1)) if region.meaning == "whole file" else _sector(region)
    places = (*before.unreadable.get(region.file, ()), place)
    return {**before.unreadable, region.file: tuple(sorted(set(places)))}


def _flip(content: bytes, damage: Damage, record: StoreRecord) -> bytes:  # noqa: ARG001 - a change
    region = damage.region
    place = (region.begin + region.end - 1) // 2
    if place >= len(content):
        return content
    flipped = content[place] ^ (1 << (place % 7))
    return content[:place] + bytes([flipped]) + content[place + 1 :]


def _zero(content: bytes, damage: Damage, record: StoreRecord) -> bytes:  # noqa: ARG001 - a change
    begin, end = _sector(damage.region)
    return content[:begin] + bytes(len(content[begin:end])) + content[end:]


def _stale(content: bytes, damage: Damage, record: StoreRecord) -> bytes:
    """Put in what the sector held before, or else another sector's content, as misdirected."""
    begin, end = _sector(damage.region)
    length = len(content[begin:end])
    for version in (*record.older.get(damage.region.file, ()), content[:SECTOR_SIZE]):
        held = version or b""
        for piece in (held[begin : begin + length], held[:length]):
            if len(piece) == length and piece != content[begin:end]:
                return content[:begin] + piece + content[end:]
    return content


def _shorten(content: bytes, damage: Damage, record: StoreRecord) -> bytes:  # noqa: ARG001 - a change
    return content[: damage.region.begin]


def _lengthen(content: bytes, damage: Damage, record: StoreRecord) -> bytes:
    if damage.choice < len(_GARBAGE_BYTES):
        length = _GARBAGE_BYTES[damage.choice]
        return content + bytes((37 * place + 11) % 251 + 1 for place in range(length))
    frame = record.frames[-1]
    return content + record.files[LOG][frame.offset : frame.offset + frame.size]


_CHANGES: Final[Mapping[DamageKind, Callable[[bytes, Damage, StoreRecord], bytes]]] = {
    DamageKind.BIT_FLIP: _flip,
    DamageKind.ZEROED_SECTOR: _zero,
    DamageKind.STALE_SECTOR: _stale,
    DamageKind.SHORTENED: _shorten,
    DamageKind.LENGTHENED: _lengthen,
}
_TO_REGIONS: Final = (
    DamageKind.BIT_FLIP,
    DamageKind.ZEROED_SECTOR,
    DamageKind.STALE_SECTOR,
    DamageKind.SHORTENED,
    DamageKind.UNREADABLE,
)
