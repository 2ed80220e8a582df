"""Raft stores of few lines, right and wrong ones, to be held against the suite."""

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

from wavetank.engine import File, FileSystem, LogEntry, OpenFlag, PersistentState
from wavetank.scenarios import Capability, Site, StoreAdapter

_HEAD = struct.Struct(">IQQ")
SIMPLE = frozenset(
    {
        Capability.VOTES,
        Capability.TRUNCATE_SUFFIX,
        Capability.DURABLE_APPENDS,
        Capability.REFUSES_GAPS,
        Capability.SITE_FILESYSTEM,
    }
)


class SimpleStore:
    """A right store: one file of frames, one document for the state, synced as it must be."""

    syncs_directory = True
    syncs_appends = True

    def __init__(self, site: Site) -> None:
        self.fs: FileSystem = site.fs
        self.directory = site.directory
        self.entries: list[LogEntry] = []
        self.poisoned = False
        with suppress(FileExistsError):
            self.fs.mkdir(self.directory)
        # Who made it may have failed before it was durable.
        self.fs.fsync_dir("/")
        flags = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE
        self.file = self.fs.open(f"{self.directory}/log", flags)
        self._recover()
        if self.syncs_directory:
            self.fs.fsync_dir(self.directory)

    def _recover(self) -> None:
        data = self._whole(self.file)
        # Frames of an earlier incarnation, that a truncation removed, must not validate again.
        self.incarnation = data[:1] or b"\1"
        self.end = 1
        while self.end + _HEAD.size + 4 <= len(data):
            length, index, term = _HEAD.unpack_from(data, self.end)
            stop = self.end + _HEAD.size + length
            frame = data[self.end : stop]
            if data[stop : stop + 4] != self._sum(self.incarnation + frame) or not index:
                break
            self.entries.append(LogEntry(index, term, frame[_HEAD.size :]))
            self.end = stop + 4
        if not data:
            self._write(self.file, self.incarnation, 0)
        elif self.end < len(data):
            self.file.truncate(self.end)
        self.file.fsync()

    @staticmethod
    def _whole(file: File) -> bytes:
        data = b""
        while len(data) < file.size():
            data += file.pread(file.size() - len(data), len(data))
        return data

    @staticmethod
    def _write(file: File, data: bytes, offset: int) -> None:
        while data:
            written = file.pwrite(data, offset)
            data, offset = data[written:], offset + written

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Refuse everything once something has failed: what is on disk is not known any more."""
        if self.poisoned:
            raise OSError("an earlier change has failed")
        try:
            yield
        except OSError:
            self.poisoned = True
            raise

    @staticmethod
    def _sum(frame: bytes) -> bytes:
        return crc32(frame).to_bytes(4, "big")

    def _frame(self, entry: LogEntry) -> bytes:
        frame = _HEAD.pack(len(entry.command), entry.index, entry.term) + entry.command
        return frame + self._sum(self.incarnation + frame)

    @property
    def first_log_index(self) -> int:
        return 1

    @property
    def last_log_index(self) -> int:
        return len(self.entries)

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        if [entry.index for entry in entries] != [
            self.last_log_index + 1 + number for number in range(len(entries))
        ]:
            raise ValueError("a gap")
        data = b"".join(map(self._frame, entries))
        with self._changing():
            self._write(self.file, data, self.end)
            if self.syncs_appends:
                self.file.fsync()
        self.end += len(data)
        self.entries.extend(entries)

    def get_log_entries(self, start: int, end: int) -> list[LogEntry]:
        if not 1 <= start <= end <= self.last_log_index + 1:
            raise IndexError(start)
        return self.entries[start - 1 : end - 1]

    def truncate_log_suffix(self, index: int) -> None:
        kept = self.entries[: index - 1]
        with self._changing():
            self.incarnation = bytes([(self.incarnation[0] + 1) % 256])
            data = self.incarnation + b"".join(map(self._frame, kept))
            self.file.close()
            self.file = self._replace("log", data)
        self.end = len(data)
        self.entries = kept

    def _replace(self, name: str, data: bytes) -> File:
        temporary = f"{self.directory}/{name}.tmp"
        file = self.fs.open(temporary, OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE)
        file.truncate(0)
        self._write(file, data, 0)
        file.fsync()
        self.fs.rename(temporary, f"{self.directory}/{name}")
        if self.syncs_directory:
            self.fs.fsync_dir(self.directory)
        return file

    def save_state(self, state: PersistentState) -> None:
        with self._changing():
            document = json.dumps([state.current_term, state.voted_for])
            self._replace("state", document.encode()).close()

    def load_state(self) -> PersistentState:
        try:
            file = self.fs.open(f"{self.directory}/state", OpenFlag.READ)
        except FileNotFoundError:
            return PersistentState(0, "")
        term, vote = json.loads(self._whole(file))
        file.close()
        return PersistentState(term, vote)

    def close(self) -> None:
        self.file.close()


class WithoutDirectorySync(SimpleStore):
    """S2: a vote's rename is not synced."""

    syncs_directory = False


class WithoutAppendSync(SimpleStore):
    """A7: acknowledged before it is durable."""

    syncs_appends = False


class WithoutChecksum(SimpleStore):
    """A3: whatever stands in a frame is believed."""

    @staticmethod
    def _sum(frame: bytes) -> bytes:  # noqa: ARG004 - that is the bug
        return b"\0\0\0\1"


def simple(site: Site) -> SimpleStore:
    return SimpleStore(site)


def raising(_: Site) -> object:
    raise RuntimeError("no store today")


def hanging(site: Site) -> object:
    if site.directory:
        time.sleep(3600)
    return None


def ending(site: Site) -> object:
    if site.directory:
        os._exit(3)
    return None


def printing(site: Site) -> object:
    print("hello from the store")  # noqa: T201 - a store that prints
    print("and on stderr", file=sys.stderr)  # noqa: T201 - as above
    return SimpleStore(site)


def wandering(site: Site) -> object:
    os.chdir("/")
    return SimpleStore(site)


def leaking(site: Site) -> object:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="left").start()
    site.fs.stat("/")
    leaked.append(Path("/dev/null").open("rb"))  # noqa: SIM115 - a store that leaks
    return SimpleStore(site)


leaked: list[object] = []

SIMPLE_STORE = StoreAdapter(name="simple", factory=SimpleStore, capabilities=SIMPLE)
