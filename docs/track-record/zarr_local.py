"""zarr: a chunk is renamed without a sync."""

import asyncio

from defect import Ack, Defect, main, sync_every_rename
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore

TEXTS = ("one", "two")


def workload(directory: str, ack: Ack) -> None:
    """Write a chunk twice."""
    buffer = default_buffer_prototype().buffer
    for text in TEXTS:
        asyncio.run(LocalStore(directory).set("chunk", buffer.from_bytes(text.encode())))
        ack(text)


def check(directory: str, acked: list[object]) -> str | None:
    """Read the chunk."""
    found = asyncio.run(LocalStore(directory).get("chunk", default_buffer_prototype()))
    if found is None:
        return "no chunk is there" if acked else None
    text = found.to_bytes().decode()
    return None if text in TEXTS else f"damaged: {text!r}"


def cure() -> None:
    """Sync the new file before it is renamed, and the directory after."""
    sync_every_rename()


if __name__ == "__main__":
    main(
        Defect(
            package="zarr",
            version="3.1.6",
            lost="a chunk of an array is empty after a power cut, and its old content is gone",
            seen="damaged: ''",
            workload=workload,
            check=check,
            cure=cure,
        )
    )
