"""A Raft log in thirty lines: one file, a checksummed line for each entry.

`wavetank check tiny_store:TinyStore` in this folder crashes it and runs the checks that apply.
"""

import os
from zlib import crc32

from wavetank.engine import LogEntry
from wavetank.scenarios.conformance import Capability


class TinyStore:
    """Keeps log entries durably, and can do nothing else."""

    capabilities = frozenset({Capability.DURABLE_APPENDS})
    first_log_index = 1

    def __init__(self, site):
        os.makedirs(site.directory, exist_ok=True)
        self._file = open(os.path.join(site.directory, "log"), "ab+")
        self._file.seek(0)
        self._log, end = [], 0
        for line in self._file:  # up to the first line that a crash cut off or garbled
            if not line.endswith(b"\n") or line[:8] != b"%08x" % crc32(line[9:]):
                break
            term, command = line[9:].split(b" ")
            self._log.append((int(term), bytes.fromhex(command.decode())))
            end += len(line)
        self._file.truncate(end)
        parent = os.path.dirname(os.path.abspath(site.directory))
        for path in (os.path.join(site.directory, "log"), site.directory, parent):
            descriptor = os.open(path, os.O_RDONLY)  # content, the log's name, the directory's name
            os.fsync(descriptor)
            os.close(descriptor)

    @property
    def last_log_index(self):
        return len(self._log)

    def append_log_entries(self, entries):
        lines = [b"%d %s\n" % (each.term, each.command.hex().encode()) for each in entries]
        self._file.write(b"".join(b"%08x %s" % (crc32(line), line) for line in lines))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._log += [(each.term, each.command) for each in entries]

    def get_log_entries(self, start, end):
        return [LogEntry(at, *self._log[at - 1]) for at in range(start, end)]

    def close(self):
        self._file.close()
