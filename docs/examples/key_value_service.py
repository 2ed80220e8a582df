"""A small key-value service that keeps its data in the storage engine.

`python key_value_service.py DIR` serves lines on port 7979: `set KEY VALUE` and `get KEY`. It is a
cluster of one node: what a Raft node would send to its peers is committed here once it is durable.
"""

import json
import socketserver
import sys

from wavetank.engine import FileStorage, LogEntry, NoSnapshotError, SnapshotMetadata, StorageConfig


class KeyValueService:
    """A dictionary whose acknowledged changes survive every crash.

    Args:
        directory: where the engine keeps its files; made if it is not there.
        snapshot_every: changes between two snapshots, behind which the log is compacted.
    """

    def __init__(self, directory: str, snapshot_every: int = 100) -> None:
        self._store = FileStorage(StorageConfig(directory=directory))
        self._snapshot_every = snapshot_every
        self._data: dict[str, str] = {}
        self._applied = 0
        try:
            metadata, data = self._store.load_snapshot()
        except NoSnapshotError:
            pass
        else:
            self._data, self._applied = json.loads(data), metadata.last_included_index
        for entry in self._store:
            self._apply(entry)

    def get(self, key: str) -> str | None:
        """Return the value of a key, or None."""
        return self._data.get(key)

    def set(self, key: str, value: str) -> None:
        """Set a key; durable on return."""
        entry = LogEntry(self._applied + 1, 1, json.dumps([key, value]).encode())
        self._store.append_log_entries([entry])
        self._apply(entry)
        if self._applied % self._snapshot_every == 0:
            metadata = SnapshotMetadata(last_included_index=self._applied, last_included_term=1)
            self._store.save_snapshot(metadata, json.dumps(self._data).encode())

    def close(self) -> None:
        """Leave the directory so that the next open need not repair anything."""
        self._store.close()

    def _apply(self, entry: LogEntry) -> None:
        # Compaction keeps some entries that the snapshot holds already.
        if entry.index > self._applied:
            key, value = json.loads(entry.command)
            self._data[key], self._applied = value, entry.index


class _Lines(socketserver.StreamRequestHandler):
    """Answers a line for each line; one connection at a time."""

    server: "_Server"

    def handle(self) -> None:
        for line in self.rfile:
            match line.decode().split():
                case ["set", key, value]:
                    self.server.service.set(key, value)
                    answer = "ok"
                case ["get", key]:
                    answer = self.server.service.get(key) or "(none)"
                case _:
                    answer = "expected 'set KEY VALUE' or 'get KEY'"
            self.wfile.write(f"{answer}\n".encode())


class _Server(socketserver.TCPServer):
    allow_reuse_address = True

    def __init__(self, service: KeyValueService, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Lines)
        self.service = service


def main() -> None:
    """Serve the directory that is named first, on the port that is named second."""
    directory, port = sys.argv[1], int((*sys.argv, "7979")[2])
    service = KeyValueService(directory)
    try:
        with _Server(service, port) as server:
            print(f"serving {directory} on port {server.server_address[1]}", flush=True)
            server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        service.close()


if __name__ == "__main__":
    main()
