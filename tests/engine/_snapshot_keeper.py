"""The process whose memory test_snapshot_streams.py watches: it saves or reads one large snapshot.

Run as ``_snapshot_keeper.py save|load DIRECTORY MEBIBYTES``. It prints a JSON object: the most
memory that it has had, in KiB, before any work and in all. `save` ends as a killed process
does, without a close.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from wavetank.engine import FileStorage, SnapshotMetadata, StorageConfig

MEBIBYTE = 1 << 20
METADATA = SnapshotMetadata(1_000_000, 7)


def peak_kib() -> int:
    """Return the high water mark of this process; that of getrusage may be its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def piece(number: int) -> bytes:
    return (number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "little") * (MEBIBYTE // 8)


def pieces(count: int) -> Iterator[bytes]:
    return (piece(number) for number in range(count))


def main(action: str, directory: str, count: int) -> None:
    before = peak_kib()
    store = FileStorage(StorageConfig(directory=directory))
    if action == "save":
        store.save_snapshot(METADATA, pieces(count))
    else:
        with store.open_snapshot() as stream:
            assert (stream.metadata, stream.size) == (METADATA, count * MEBIBYTE)
            read = 0
            for number, chunk in enumerate(stream):
                assert chunk == piece(number)
                read += len(chunk)
        assert read == count * MEBIBYTE
        assert store.verify().sound
    sys.stdout.write(json.dumps({"before": before, "in_all": peak_kib()}))
    sys.stdout.flush()
    os._exit(0)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
