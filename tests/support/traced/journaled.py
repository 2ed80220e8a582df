"""The twin of journaled.c: keeps one number in two files, DIR/left and DIR/right, by a journal.

usage: journaled.py save DIR ACKS, or journaled.py recover DIR [journal] [data]
"""

import os
import sys

directory = os.open(sys.argv[2], os.O_RDONLY)


def put(name: str, text: bytes, *, syncs: bool) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=directory)
    os.pwrite(file, text, 0)
    if syncs:
        os.fsync(file)
    os.close(file)


def apply(text: bytes, *, syncs: bool) -> None:
    put("left", text, syncs=syncs)
    put("right", text, syncs=syncs)
    if syncs:
        os.fsync(directory)
    os.unlink("journal", dir_fd=directory)
    os.fsync(directory)


def save(acks_name: str) -> None:
    acks = os.open(acks_name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    put("journal", b"00000001\n", syncs=True)
    os.fsync(directory)
    apply(b"00000001\n", syncs=True)
    os.write(acks, b"ACK 1\n")


def recover(remembered: list[str]) -> None:
    try:
        journal = os.open("journal", os.O_RDONLY, dir_fd=directory)
    except FileNotFoundError:
        return
    text = os.read(journal, 9)
    if len(text) == 9 and text.endswith(b"\n"):
        if "journal" in remembered:
            os.fsync(journal)
            os.fsync(directory)
        apply(text, syncs="data" in remembered)
    else:
        os.unlink("journal", dir_fd=directory)


if sys.argv[1] == "save":
    save(sys.argv[3])
else:
    recover(sys.argv[3:])
