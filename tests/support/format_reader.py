"""Another reader of a store's files, written from docs/format.md and from nothing else.

It uses the standard library and the checksum library that the page names, and nothing of the
engine: where it and the engine disagree, the page or one of them is wrong. It takes whole files and
holds them in memory.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import unpack_from
from typing import Final

from google_crc32c import extend

__all__ = ["Contents", "DamageError", "NewerVersionError", "read_store"]

SEED: Final = 0x57617665
LOG_HEADER: Final = 48
FRAME_HEADER: Final = 72
DOCUMENT_LIMIT: Final = 1 << 20

Document = dict[str, int | str]


class DamageError(Exception):
    """The files are not those of a whole store."""


class NewerVersionError(Exception):
    """A file is of a version that the page does not describe."""


@dataclass(frozen=True)
class Contents:
    """What a store holds: terms, indices and bytes, without any type of the engine."""

    term: int
    vote: str
    base_index: int
    base_term: int
    entries: list[tuple[int, int, bytes]]
    snapshot: tuple[int, int, bytes] | None


def read_store(files: Mapping[str, bytes], *, snapshots_elsewhere: bool = False) -> Contents:
    """Return what a directory of these files holds.

    Raises:
        DamageError: something is missing or not what was written.
        NewerVersionError: a file is of a version that this reader does not know.
    """
    metadata = _intact(files, "metadata.json", "wavetank.metadata")
    state, hurt = _state(files)
    snapshot = _snapshot(files)
    log = _log(files, metadata, saved=state is not None and state["sequence"] != 0)
    if state is None:
        if "metadata.json" in files or log.frame_count:
            raise DamageError("both copies of the state are missing")
        state = {"current_term": 0, "voted_for": ""}
    if snapshot is not None and log.contradicts(snapshot[0], snapshot[1]):
        log = _Log(base_index=snapshot[0], base_term=snapshot[1])
    terms = [metadata["last_term"] if metadata is not None else 0, log.last_term]
    terms += [snapshot[1]] if snapshot is not None else []
    if hurt and max(map(int, terms)) > int(state["current_term"]):
        raise DamageError("the newest copy of the state is lost")
    covered = snapshot[0] if snapshot is not None else 0
    if log.base_index > covered and not snapshots_elsewhere:
        raise DamageError("the log begins behind a snapshot that is not there")
    term, vote = state["current_term"], state["voted_for"]
    assert isinstance(term, int)
    assert isinstance(vote, str)
    return Contents(term, vote, log.base_index, log.base_term, log.entries, snapshot)


# Documents


def _document(content: bytes, kind: str) -> Document:
    if len(content) > DOCUMENT_LIMIT:
        raise DamageError("a document is too large")
    head = b'{"format":"%b","version":1,"checksum":"' % kind.encode("ascii")
    payload = content[len(head) + 8 + len(b'","payload":') : -2]
    checksum = b"%08x" % extend(SEED, payload)
    if content != head + checksum + b'","payload":' + payload + b"}\n":
        _refuse_other_version(content, kind)
        raise DamageError("a document is not one line of the page's form")
    found: Document = json.loads(payload)
    return found


def _refuse_other_version(content: bytes, kind: str) -> None:
    try:
        found = json.loads(content)
    except ValueError:
        return
    if not isinstance(found, dict) or found.get("format") != kind:
        return
    version = found.get("version")
    if type(version) is int and version != 1:
        raise NewerVersionError(f"{kind} {version}")


def _intact(files: Mapping[str, bytes], name: str, kind: str) -> Document | None:
    """Return a document, None if it is missing or damaged."""
    try:
        return _document(files[name], kind) if name in files else None
    except DamageError:
        return None


def _number(document: Document, key: str) -> int:
    value = document[key]
    assert isinstance(value, int)
    return value


def _state(files: Mapping[str, bytes]) -> tuple[Document | None, bool]:
    """Return the newest record, and whether a newer one may have been lost."""
    names = [name for name in ("state.json", "state.copy.json") if name in files]
    copies = [_intact(files, name, "wavetank.state") for name in names]
    intact = [copy for copy in copies if copy is not None]
    if not intact:
        if names:
            raise DamageError("no intact copy of the state")
        return None, False
    newest = max(intact, key=lambda copy: _number(copy, "sequence"))
    for copy in intact:
        if copy["sequence"] == newest["sequence"] and copy != newest:
            raise DamageError("the copies of the state differ")
    sequences = [_number(copy, "sequence") for copy in intact]
    hurt = max(sequences) - min(sequences) > 1
    whole = next(files[name] for name in names if _intact(files, name, "wavetank.state") == newest)
    for name in ("state.json", "state.copy.json"):
        content = files.get(name, b"")
        if name not in names or (
            _intact(files, name, "wavetank.state") is None and not _was(content, whole)
        ):
            hurt = True
    return newest, hurt


def _was(damaged: bytes, whole: bytes) -> bool:
    checksum = whole.index(b'"checksum":"') + len(b'"checksum":"')
    digits, behind = slice(checksum, checksum + 8), slice(checksum + 8, None)
    return damaged[digits] == whole[digits] or damaged[behind] == whole[behind]


# The snapshot


def _snapshot(files: Mapping[str, bytes]) -> tuple[int, int, bytes] | None:
    if "snapshot.marker" in files:
        pending = _intact(files, "snapshot_meta.json.tmp", "wavetank.snapshot")
        found = _with_data(files, pending) if pending else None
        if found is not None:
            return found
    if "snapshot_meta.json" not in files and "snapshot.dat" not in files:
        return None
    current = _intact(files, "snapshot_meta.json", "wavetank.snapshot")
    found = _with_data(files, current) if current else None
    if found is None:
        raise DamageError("the snapshot is damaged")
    return found


def _with_data(files: Mapping[str, bytes], meta: Document) -> tuple[int, int, bytes] | None:
    for name in ("snapshot.dat", "snapshot.dat.tmp"):
        data = files.get(name)
        if data is None or len(data) != meta["data_length"]:
            continue
        if extend(SEED, data) == meta["data_checksum"]:
            return _number(meta, "last_included_index"), _number(meta, "last_included_term"), data
    return None


# The log


@dataclass
class _Log:
    base_index: int = 0
    base_term: int = 0
    entries: list[tuple[int, int, bytes]] = field(default_factory=list)
    frame_count: int = 0
    watermark: int = 0
    link: int = 0

    @property
    def last_index(self) -> int:
        return self.base_index + len(self.entries)

    @property
    def last_term(self) -> int:
        return self.entries[-1][1] if self.entries else self.base_term

    def contradicts(self, index: int, term: int) -> bool:
        """Whether a snapshot of this index and term replaces the log."""
        if index < self.base_index:
            return False
        if index > self.last_index:
            return True
        here = self.entries[index - self.base_index - 1][1] if index > self.base_index else None
        return term != (self.base_term if here is None else here)


@dataclass(frozen=True)
class _Header:
    kind: int
    encoding: int
    count: int
    batch: int
    first_index: int
    payload_length: int
    watermark: int
    link: int
    payload_checksum: int
    checksum: int


def _log(files: Mapping[str, bytes], metadata: Document | None, *, saved: bool) -> _Log:
    if "log.dat" not in files:
        snapshot = {"snapshot.dat", "snapshot_meta.json"}.intersection(files)
        if "metadata.json" in files or saved or snapshot:
            raise DamageError("the log is missing")
        return _Log()
    content = files["log.dat"]
    head = content[:LOG_HEADER]
    version = unpack_from("<H", head, 8)[0] if len(head) == LOG_HEADER else 0
    sealed = head[44:] == extend(SEED, head[:44]).to_bytes(4, "little")
    if not (head.startswith(b"\xf7WVTLOG\n") and sealed):
        raise DamageError("the header of the log is damaged")
    if version != 1:
        raise NewerVersionError(f"log {version}")
    incarnation, generation, base_index, base_term = unpack_from("<4Q", head, 12)
    known = None
    if metadata is not None:
        named = _number(metadata, "generation")
        same = metadata["incarnation"] == incarnation
        if generation < named or (generation == named and not same):
            raise DamageError("this log does not belong here")
        known = metadata if same else None
    seed = extend(SEED, head[12:20]) or SEED
    log = _Log(base_index, base_term)
    end = _take_frames(log, content, seed)
    reserved = metadata is not None and metadata["reserved_ahead"] != 0
    _require_nothing_more(log, content[end:], seed, known, end, reserved=reserved)
    rest = content[end:]
    nothing = _is_free(rest, end, reserved=reserved)
    if not {"recovery.marker", "snapshot.marker"} & files.keys() and not nothing:
        _require_close(log, rest, seed, known, end)
    return log


def _is_free(rest: bytes, offset: int, *, reserved: bool) -> bool:
    filler = b"\xf6Wvfree\n"
    if rest == bytes(filler[(offset + number) % 8] for number in range(len(rest))):
        return True
    return not rest.strip(b"\0") and (len(rest) <= FRAME_HEADER or reserved)


def _require_close(log: _Log, rest: bytes, seed: int, known: Document | None, end: int) -> None:
    """Raise unless a clean close ended the log before what lies behind it."""
    if known is None or (known["log_length"], known["last_checksum"]) != (end, log.link):
        raise DamageError("nothing says that the closed log ends here")
    header = _frame_header(rest, 0, seed)
    if header is not None and header.batch > log.frame_count:
        raise DamageError("the closed log goes on")
    begins = rest[:4] == b"\xf7WvF"[: len(rest)] or rest[60:64] == log.link.to_bytes(4, "little")
    if header is None and begins:
        raise DamageError("the closed log seems to go on")


def _take_frames(log: _Log, content: bytes, seed: int) -> int:
    """Add and remove what the frames say; return where the first one that is none begins."""
    offset, link = LOG_HEADER, unpack_from("<I", content, 44)[0]
    log.link = link
    while True:
        header = _frame_header(content, offset, seed)
        if header is None:
            return offset
        if header.kind not in (1, 2) or header.encoding not in (1, 2):
            raise NewerVersionError(f"frame kind {header.kind}, encoding {header.encoding}")
        start = offset + FRAME_HEADER
        payload = content[start : start + header.payload_length]
        in_place = header.link == link and header.batch == log.frame_count + 1
        whole = len(payload) == header.payload_length
        if not (in_place and whole and extend(seed, payload) == header.payload_checksum):
            return offset
        if header.kind == 1:
            if header.first_index != log.last_index + 1:
                return offset
            log.entries += list(_entries(header, payload))
        else:
            (last_removed,) = unpack_from("<Q", payload)
            assert last_removed == log.last_index
            del log.entries[header.first_index - log.base_index - 1 :]
        log.frame_count = header.batch
        log.watermark = max(log.watermark, header.watermark)
        offset, link = start + header.payload_length, header.checksum
        log.link = link


def _frame_header(content: bytes, offset: int, seed: int) -> _Header | None:
    head = content[offset : offset + FRAME_HEADER]
    if len(head) < FRAME_HEADER or head[:4] != b"\xf7WvF" or head[6:8] != b"\0\0":
        return None
    checksum = extend(seed, head[:68])
    if head[68:] != checksum.to_bytes(4, "little"):
        return None
    (count,) = unpack_from("<I", head, 8)
    batch, first_index, payload_length, watermark = unpack_from("<4Q", head, 12)
    link, payload_checksum = unpack_from("<2I", head, 60)
    return _Header(
        head[4],
        head[5],
        count,
        batch,
        first_index,
        payload_length,
        watermark,
        link,
        payload_checksum,
        checksum,
    )


def _entries(header: _Header, payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    if header.encoding == 2:
        rows = json.loads(payload)
        assert len(rows) == header.count
        assert rows[0]["index"] == header.first_index
        for row in rows:
            yield row["index"], row["term"], b64decode(row["command"], validate=True)
        return
    terms = unpack_from(f"<{header.count}Q", payload)
    ends = unpack_from(f"<{header.count}Q", payload, 8 * header.count)
    commands = payload[16 * header.count :]
    begin = 0
    for index, (term, end) in enumerate(zip(terms, ends, strict=True), header.first_index):
        yield index, term, commands[begin:end]
        begin = end


def _require_nothing_more(
    log: _Log, rest: bytes, seed: int, known: Document | None, end: int, *, reserved: bool
) -> None:
    """Raise unless what lies behind the frames was never acknowledged."""
    missing = log.frame_count + 1
    if known is not None:
        held = _number(known, "watermark"), _number(known, "log_length")
        if held[0] >= missing or held[1] > end:
            raise DamageError("metadata.json knows more of the log")
    if log.watermark >= missing:
        raise DamageError("a frame knows of later ones")
    if _is_free(rest, end, reserved=reserved):
        return
    position = rest.find(b"\xf7WvF")
    while position >= 0:
        header = _frame_header(rest, position, seed)
        if header is not None and header.watermark >= missing:
            raise DamageError("a later frame knows of the one that is missing")
        position = rest.find(b"\xf7WvF", position + 1)
