"""The content of a store's files, changed from outside, and what a store may make of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wavetank.engine import LogEntry
from wavetank.scenarios.conformance.assertions import CheckFailure
from wavetank.scenarios.conformance.store_harness import Bench
from wavetank.scenarios.stores.adapter import StoreAdapter
from wavetank.sim import BLOCK_SIZE, DiskImage, FileContent

__all__ = ["right_or_refused", "with_contents"]


def with_contents(image: DiskImage, contents: Mapping[str, bytes]) -> DiskImage:
    """Return a disk on which some files hold something else.

    Args:
        image: the disk.
        contents: the new content of files that are there, by path.
    """
    changes = {
        inode: FileContent(len(contents[path]), _blocks(contents[path]))
        for path, inode, _ in image.walk()
        if path in contents
    }
    return image.derive(changes)


def right_or_refused(
    plug: StoreAdapter, image: DiskImage, wanted: Sequence[LogEntry], damage: str
) -> None:
    """Require that a store refuses to open or to read, or shows just what was written.

    Args:
        plug: the store under test.
        image: the disk.
        wanted: the log that it held, from index 1 on.
        damage: what is wrong with the disk, for people.

    Raises:
        CheckFailure: it shows something else without a word.
    """
    try:
        store = Bench(plug, image).open()
        first, last = store.first_log_index, store.last_log_index
        shown = tuple(store.get_log_entries(first, last + 1)) if first <= last else ()
    except Exception:  # noqa: BLE001 - a store refuses with whatever errors it has
        return
    if shown != tuple(wanted):
        told = "other bytes" if len(shown) == len(wanted) else f"{len(shown)} of {len(wanted)}"
        raise CheckFailure(f"{damage}: the store opens and shows {told} entries without a word")


def _blocks(content: bytes) -> tuple[bytes, ...]:
    return tuple(
        content[start : start + BLOCK_SIZE] for start in range(0, len(content), BLOCK_SIZE)
    )
