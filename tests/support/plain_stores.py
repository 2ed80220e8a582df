"""Raft stores that know nothing of simulations: plain `open` and `os`, right and wrong."""

import json
import os
from collections.abc import Sequence

from wavetank.engine import LogEntry
from wavetank.scenarios import Capability, Site, StoreAdapter

PLAIN = frozenset({Capability.DURABLE_APPENDS, Capability.REFUSES_GAPS, Capability.TRUNCATE_SUFFIX})


class PlainStore:
    """A log of JSON lines, rewritten as a whole for a truncation."""

    syncs_directory = True

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, exist_ok=True)
        self.sync_directory(os.path.dirname(directory))
        self.path = os.path.join(directory, "log.jsonl")
        self.directory = directory
        self.entries = self._recover()
        self._rewrite(self.entries)

    def _recover(self) -> list[LogEntry]:
        entries: list[LogEntry] = []
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                for line in file:
                    try:
                        index, term, command = json.loads(line)
                        entries.append(LogEntry(index, term, bytes.fromhex(command)))
                    except ValueError:
                        break
        return entries

    def _rewrite(self, entries: Sequence[LogEntry]) -> None:
        with open(self.path + ".tmp", "w", encoding="ascii") as file:
            file.writelines(map(self._line, entries))
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.path + ".tmp", self.path)
        if self.syncs_directory:
            self.sync_directory(self.directory)

    @staticmethod
    def _line(entry: LogEntry) -> str:
        return json.dumps([entry.index, entry.term, entry.command.hex()]) + "\n"

    @staticmethod
    def sync_directory(path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    @property
    def first_log_index(self) -> int:
        return 1

    @property
    def last_log_index(self) -> int:
        return len(self.entries)

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        follows = range(self.last_log_index + 1, self.last_log_index + 1 + len(entries))
        if [entry.index for entry in entries] != list(follows):
            raise ValueError("a gap")
        self._rewrite([*self.entries, *entries])
        self.entries += entries

    def get_log_entries(self, start: int, end: int) -> list[LogEntry]:
        if not 1 <= start <= end <= self.last_log_index + 1:
            raise IndexError(start)
        return self.entries[start - 1 : end - 1]

    def truncate_log_suffix(self, index: int) -> None:
        self._rewrite(self.entries[: index - 1])
        self.entries = self.entries[: index - 1]

    def close(self) -> None:
        self.entries = []


class PlainWithoutDirectorySync(PlainStore):
    syncs_directory = False


class HandleStore(PlainStore):
    """Keeps its file open, and appends to it through a buffer."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.file = open(self.path, "a", encoding="ascii")

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        self.file.writelines(map(self._line, entries))
        self.file.flush()
        os.fsync(self.file)
        self.entries += entries

    def truncate_log_suffix(self, index: int) -> None:
        self.file.close()
        super().truncate_log_suffix(index)
        self.file = open(self.path, "a", encoding="ascii")

    def close(self) -> None:
        self.file.close()
        super().close()


class HandleWithoutSync(HandleStore):
    """What it appends stays in the process's own buffer."""

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        self.file.writelines(map(self._line, entries))
        self.entries += entries


class InPlaceStore(PlainStore):
    """Writes lines of one length over what a truncation has left behind its end."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.file = open(self.path, "r+b", buffering=0)

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        self.file.seek(0, os.SEEK_END)
        self.file.write("".join(map(self._line, entries)).encode())
        os.fsync(self.file)
        self.entries += entries

    def truncate_log_suffix(self, index: int) -> None:
        kept = self.entries[: index - 1]
        self.file.truncate(sum(len(self._line(each)) for each in kept))
        os.fsync(self.file)
        self.entries = kept


def in_place(site: Site) -> InPlaceStore:
    return InPlaceStore(site.directory)


def plain(site: Site) -> PlainStore:
    return PlainStore(site.directory)


def handle(site: Site) -> HandleStore:
    return HandleStore(site.directory)


def handle_without_sync(site: Site) -> HandleWithoutSync:
    return HandleWithoutSync(site.directory)


def plain_without_directory_sync(site: Site) -> PlainStore:
    return PlainWithoutDirectorySync(site.directory)


class LazyStore(PlainStore):
    """Makes its directory at its first append."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "log.jsonl")
        self.directory = directory
        self.entries = self._recover()
        if self.entries:
            # What it shows from now on must survive, even if the append that wrote it was killed.
            self.sync_directory(self.directory)
            self.sync_directory(os.path.dirname(directory))

    def append_log_entries(self, entries: Sequence[LogEntry]) -> None:
        if not os.path.isdir(self.directory):
            os.makedirs(self.directory)
        self.sync_directory(os.path.dirname(self.directory))
        super().append_log_entries(entries)

    def truncate_log_suffix(self, index: int) -> None:
        if index <= self.last_log_index:
            super().truncate_log_suffix(index)


def lazy(site: Site) -> LazyStore:
    return LazyStore(site.directory)


PLAIN_STORE = StoreAdapter(name="plain", factory=plain, capabilities=PLAIN)
PLAIN_WITHOUT_DIRECTORY_SYNC = StoreAdapter(
    name="plain-without-directory-sync", factory=plain_without_directory_sync, capabilities=PLAIN
)
