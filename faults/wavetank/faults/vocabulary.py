"""What the fault language can say, word by word, for people who choose.

Left out: the grammar (docs/faults.md), and faults themselves (fault.py).
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from wavetank.faults.operations import OperationKind

__all__ = ["VOCABULARY", "FaultWords"]


@frozen(kw_only=True)
class FaultWords:
    """Some words of the language.

    Attributes:
        form: as they stand in a line; what changes from line to line is an example.
        example: a whole line.
        meaning: what they do, in one sentence.
    """

    form: str
    example: str
    meaning: str


def _words(form: str, place: str, meaning: str) -> FaultWords:
    """Return words that say what happens."""
    return FaultWords(form=form, example=f"{place}: {form}", meaning=meaning)


def _about(form: str, example: str, meaning: str) -> FaultWords:
    """Return words that say where, which or how long."""
    return FaultWords(form=form, example=example, meaning=meaning)


VOCABULARY: Final = (
    _words(
        "fail EIO",
        "rename state.json",
        "reports the error and has no effect; also ENOSPC, EDQUOT, EMFILE, EACCES, EROFS, EINTR",
    ),
    _words("fail EIO after effect", "rename state.json", "is done, and reports the error"),
    _words("fail EIO after 512 bytes", "write log.dat", "writes so much, then reports the error"),
    _words(
        "fail EIO ext4",
        "fsync log.dat #3",
        "fails as on that filesystem, and loses pages; also xfs, btrfs, ext4-data-journal",
    ),
    _words(
        "fail ENOSPC from 65536 bytes written",
        "any",
        "has no room left after so many bytes; also EDQUOT",
    ),
    _words("fail EMFILE from 3 open", "open", "fails while so many files are open"),
    _words("read-only", "any #9", "fails with EROFS, as all does that changes something"),
    _words("short 100 bytes", "write *.tmp #2", "moves no more bytes, and says how many"),
    _words("flip bit 17 at 1000", "read snapshot.dat", "shows this bit as its opposite, always"),
    _words(
        "torn sectors 0,2",
        "write log.dat",
        "lets only these sectors land, and says that all did; also all but sectors 0,2, "
        "first 3 sectors, last 3 sectors, garbage after 3 sectors",
    ),
    _words("lost", "write log.dat #4", "lets nothing land, and says that all did"),
    _words("misdirected to 8192", "write log.dat", "writes or reads elsewhere in the file"),
    _words("lie", "fsync log.dat", "makes nothing durable, and says that it has"),
    _words("unreadable 4096..4608", "read log.dat", "fails with EIO until they are rewritten"),
    _words("zeroed 0..4096", "read log.dat", "shows zeros until they are rewritten"),
    _words("stale 0..4096", "read log.dat", "shows what was there before the last write"),
    _words("missing", "any snapshot.dat", "finds no file, until one is made"),
    _words("emptied", "open state.json", "finds a file without bytes"),
    _words("shortened to 100 bytes", "open log.dat", "finds a file that has lost its end"),
    _words("lengthened by 100 bytes", "open log.dat", "finds a file with garbage behind its end"),
    _words("crash before", "rename state.json", "is where the power goes; also inside, after"),
    _words("kill before", "fsync log.dat", "is where the process ends; the page cache lives on"),
    _words("kill before then power cut", "fsync", "ends the process, then the next one's power"),
    _words("evict", "read log.dat", "finds the page cache without its clean pages"),
    _words("stall 250 ms", "fsync log.dat", "begins so much later"),
    _words("clock jumps +3600 s", "write log.dat", "finds the wall clock set"),
    _about(
        "any",
        "any: fail EIO",
        f"every operation: {', '.join(kind.value for kind in OperationKind)}",
    ),
    _about("#3", "fsync #3: fail EIO", "the third operation that matches, not the first"),
    _about("offset 0..512", "read offset 0..512: fail EIO", "only if it touches these bytes"),
    _about(
        "in save_snapshot",
        "any in save_snapshot: fail EIO",
        "only below a function or module of this name",
    ),
    _about(
        "while log.dat >= 4096 bytes",
        "fsync while log.dat >= 4096 bytes: lie",
        "only while a file is there (exists, absent) or of such a size (>=, <)",
    ),
    _about("3 times", "write: lost 3 times", "so many in a row"),
    _about("from now on", "open: fail EACCES from now on", "that one and all that come after"),
    _about(
        "with probability 0.1 from disk",
        "read: fail EINTR with probability 0.1 from disk",
        "each by chance, from a stream of random numbers of this name",
    ),
)
"""All of it: what can happen, and after that where, which and how long."""
