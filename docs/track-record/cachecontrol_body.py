"""cachecontrol: page and metadata are two files, each renamed without a sync."""

from cachecontrol.caches import SeparateBodyFileCache
from defect import Ack, Defect, main, sync_every_rename

BODY = b"body" * 2048


def workload(directory: str, _: Ack) -> None:
    """Put a page into the cache, which promises nothing: a cache may forget."""
    cache = SeparateBodyFileCache(f"{directory}/http")
    cache.set("url", b"metadata")
    cache.set_body("url", BODY)


def check(directory: str, _: list[object]) -> str | None:
    """Take the page out: it must be whole, or not there."""
    cache = SeparateBodyFileCache(f"{directory}/http")
    metadata, body = cache.get("url"), cache.get_body("url")
    if metadata is None or body is None:
        return None
    with body:
        found = body.read()
    return None if (metadata, found) == (b"metadata", BODY) else f"a page of {len(found)} bytes"


def cure() -> None:
    """Sync the new file before it is renamed, and the directory after."""
    sync_every_rename()


if __name__ == "__main__":
    main(
        Defect(
            package="CacheControl",
            version="0.14.4",
            lost="half a page is given out as a whole one after a power cut",
            seen="a page of 4096 bytes",
            workload=workload,
            check=check,
            cure=cure,
            max_images=600,
        )
    )
