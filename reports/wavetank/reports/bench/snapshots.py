"""Saves and loads of a snapshot, against writing and reading the same bytes as a file.

The bare save writes in chunks under a temporary name, syncs the file and renames it.
"""

from __future__ import annotations

import os  # noqa: TID251 - the raw limit is the system calls themselves
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251 - a fixed seed: every run has the same bytes
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from wavetank.engine import FileStorage, SnapshotMetadata, StorageConfig
from wavetank.reports.bench.comparison import ENGINE, RAW, Attempt, Comparison, Site, Work
from wavetank.reports.bench.logs import check_equal, entry_of

__all__ = ["compare_loads", "compare_saves"]

_CHUNK_BYTES: Final = 1 << 20
_METADATA: Final = SnapshotMetadata(last_included_index=1, last_included_term=1)

_Contenders: TypeAlias = Callable[[FileStorage, Path, bytes], Mapping[str, Attempt]]


def compare_saves(site: Site) -> AbstractContextManager[Comparison]:
    """Return a comparison of saves of a snapshot."""
    return _comparison(site, _saves)


def compare_loads(site: Site) -> AbstractContextManager[Comparison]:
    """Return a comparison of loads of a snapshot."""
    return _comparison(site, _loads)


@contextmanager
def _comparison(site: Site, contenders: _Contenders) -> Iterator[Comparison]:
    size = site.scale.snapshot_bytes
    data = Random(1).randbytes(size)  # noqa: S311 - content without a pattern, no secret
    with TemporaryDirectory(dir=site.directory) as directory:
        store_directory = Path(directory, "store")
        with FileStorage(StorageConfig(directory=store_directory)) as store:
            store.append_log_entries([entry_of(1)])
            ready = contenders(store, Path(directory), data)
            yield Comparison(
                contenders=lambda _: ready,
                describe=lambda _: f"a snapshot of {size >> 20} MiB, cached",
            )


def _saves(store: FileStorage, directory: Path, data: bytes) -> Mapping[str, Attempt]:
    return {
        ENGINE: partial(_engine_save, store, data),
        RAW: partial(_raw_save, directory / "raw", data),
    }


def _loads(store: FileStorage, directory: Path, data: bytes) -> Mapping[str, Attempt]:
    store.save_snapshot(_METADATA, data)
    path = directory / "raw"
    path.write_bytes(data)
    return {
        ENGINE: partial(_engine_load, store, data),
        RAW: partial(_raw_load, path),
    }


@contextmanager
def _engine_save(store: FileStorage, data: bytes) -> Iterator[Work]:
    yield lambda: store.save_snapshot(_METADATA, data)
    check_equal(store.load_snapshot(), (_METADATA, data), f"{ENGINE}, the snapshot")


@contextmanager
def _engine_load(store: FileStorage, data: bytes) -> Iterator[Work]:
    loaded: list[tuple[SnapshotMetadata, bytes]] = []
    yield lambda: loaded.append(store.load_snapshot())
    check_equal(loaded[0], (_METADATA, data), f"{ENGINE}, the snapshot")


@contextmanager
def _raw_save(path: Path, data: bytes) -> Iterator[Work]:
    temporary = path.with_suffix(".new")

    def work() -> None:
        with temporary.open("wb", buffering=0) as file:
            content = memoryview(data)
            for start in range(0, len(content), _CHUNK_BYTES):
                file.write(content[start : start + _CHUNK_BYTES])
            os.fsync(file.fileno())
        temporary.replace(path)

    yield work


@contextmanager
def _raw_load(path: Path) -> Iterator[Work]:
    yield path.read_bytes
