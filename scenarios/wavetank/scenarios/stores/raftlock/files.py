"""How the published RaftLock package handles the small files of its directory.

`PublishedDirectory` writes whole files, replaces them through ``<name>.tmp`` and reads them back,
in the published order and with the published omissions: nothing here ever syncs a file or a
directory. The JSON values are written byte for byte as the package writes them.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from wavetank.engine.filesystem import Buffer, File, FileSystem, OpenFlag

__all__ = [
    "LOG",
    "METADATA",
    "RECOVERY_MARKER",
    "SNAPSHOT_DATA",
    "SNAPSHOT_MARKER",
    "SNAPSHOT_METADATA",
    "STATE",
    "PublishedDirectory",
    "append_all",
    "decode_fields",
    "encode_fields",
    "temporary",
    "text_field",
    "unsigned_field",
]

STATE: Final = "state.json"
LOG: Final = "log.dat"
METADATA: Final = "metadata.json"
SNAPSHOT_METADATA: Final = "snapshot_meta.json"
SNAPSHOT_DATA: Final = "snapshot.dat"
RECOVERY_MARKER: Final = "recovery.marker"
SNAPSHOT_MARKER: Final = "snapshot.marker"

_LARGEST: Final = 2**64 - 1
_ESCAPED_BY_GO: Final = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def temporary(name: str) -> str:
    """Return the name under which `name` is prepared before its rename."""
    return f"{name}.tmp"


def append_all(file: File, data: Buffer) -> None:
    """Append `data`, in one call unless the filesystem takes less; nothing for empty data."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.append(rest) :]


@frozen
class PublishedDirectory:
    """One directory, handled as the package does. Every method may raise a plain ``OSError``.

    Args:
        fs: the filesystem.
        path: the directory, without a slash at its end; "" stands for the root.
    """

    fs: FileSystem
    path: str

    def open(self, name: str, flags: OpenFlag) -> File:
        """Open a file of the directory."""
        return self.fs.open(self._path(name), flags)

    def make(self) -> None:
        """Make the directory and its missing parents; no parent is synced."""
        missing: list[str] = []
        path = self.path
        while path and not self._present(path):
            missing.append(path)
            path = path.rpartition("/")[0]
        for path in reversed(missing):
            self.fs.mkdir(path)

    def exists(self, name: str) -> bool:
        """Whether the name is there."""
        return self._present(self._path(name))

    def seen(self, name: str) -> bool:
        """Whether the name is there; a failure to look counts as no."""
        try:
            return self.exists(name)
        except OSError:
            return False

    def read(self, name: str) -> bytes | None:
        """Return a whole file, or None if it is not there."""
        try:
            file = self.open(name, OpenFlag.READ)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        try:
            return _read_whole(file)
        finally:
            file.close()

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file in place: create or empty it, write, close."""
        file = self.open(name, OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.TRUNCATE)
        try:
            taken = 0
            while taken < len(data):
                taken += file.pwrite(memoryview(data)[taken:], taken)
        finally:
            file.close()

    def replace(self, name: str, data: bytes) -> None:
        """Write ``<name>.tmp`` and rename it over `name`; neither is synced (S1, S2)."""
        self.write(temporary(name), data)
        self.publish(name)

    def publish(self, name: str) -> None:
        """Rename ``<name>.tmp`` over `name`; a failed rename removes the temporary file."""
        try:
            self.fs.rename(self._path(temporary(name)), self._path(name))
        except OSError:
            self.discard(temporary(name))
            raise

    def remove(self, name: str) -> None:
        """Remove a name, if it is there."""
        try:
            self.fs.unlink(self._path(name))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def discard(self, name: str) -> None:
        """Remove a name and pass over every failure, as the package's clean-ups do."""
        try:
            self.remove(name)
        except OSError:
            return

    def truncate(self, name: str, size: int) -> None:
        """Set a file's size in bytes and leave that unsynced (A5, A8)."""
        file = self.open(name, OpenFlag.WRITE)
        try:
            file.truncate(size)
        finally:
            file.close()

    def _path(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _present(self, path: str) -> bool:
        try:
            self.fs.stat(path)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True


def _read_whole(file: File) -> bytes:
    size = file.size()
    content = bytearray()
    while len(content) < size:
        piece = file.pread(size - len(content), len(content))
        if not piece:
            break
        content += piece
    return bytes(content)


def encode_fields(fields: Mapping[str, int | str]) -> bytes:
    """Encode a flat object as Go's encoding/json does: no spaces, three marks escaped for HTML."""
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPED_BY_GO).encode()


def decode_fields(data: bytes) -> Mapping[str, object]:
    """Decode a JSON object; ``null`` counts as an empty one, as in Go.

    Raises:
        ValueError: the bytes are no JSON, or no object.
    """
    try:
        fields: object = json.loads(data.decode("utf-8", "replace"))
    except RecursionError as error:
        raise ValueError("expected a flat JSON object but got a deeply nested one") from error
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise ValueError(f"expected a JSON object but got {type(fields).__name__}")  # noqa: TRY004 - damage, not a caller's type error
    return {str(name): value for name, value in fields.items()}


def unsigned_field(fields: Mapping[str, object], name: str) -> int:
    """Return a 64-bit unsigned field; a missing or null one is 0, as in Go.

    Raises:
        ValueError: the field holds anything else.
    """
    value = fields.get(name)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"field {name}: expected 0 <= integer <= 2**64-1 but got {value!r}")
    return value


def text_field(fields: Mapping[str, object], name: str) -> str:
    """Return a text field; a missing or null one is "", as in Go.

    Raises:
        ValueError: the field holds anything else.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"field {name}: expected text but got {value!r}")  # noqa: TRY004 - damage, as above
    return value
