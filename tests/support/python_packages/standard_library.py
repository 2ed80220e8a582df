"""What Python itself writes, and the recipes of many blogs."""

import configparser
import dbm.dumb
import logging
import mailbox
import os
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Final

from .case import VERSIONS, Acknowledge, collecting, replacing, text_of

__all__ = ["CASES"]


def write_and_rename(directory: str, text: str) -> None:
    new = Path(directory, "new")
    new.write_text(text)
    new.replace(Path(directory, "file"))


def write_as_one_should(directory: str, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=directory)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, f"{directory}/file")
    opened = os.open(directory, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)


def dumb_sync(directory: str, ack: Acknowledge) -> None:
    with dbm.dumb.open(f"{directory}/dumb", "c") as database:
        for version in VERSIONS:
            database[version] = version
            database.sync()
            ack(version)


def dumb_keys(directory: str) -> list[str]:
    with dbm.dumb.open(f"{directory}/dumb", "r") as database:
        return [key.decode() for key in database if database[key] == key]


def maildir_add(directory: str, ack: Acknowledge) -> None:
    with closing(mailbox.Maildir(f"{directory}/mail")) as box:
        for version in VERSIONS:
            box.add(f"Subject: {version}\n\n{version}\n")
            box.flush()
            ack(version)


def maildir_read(directory: str) -> list[str]:
    with closing(mailbox.Maildir(f"{directory}/mail")) as box:
        return [str(each.get_payload()).strip() for each in box]


def mbox_add(directory: str, ack: Acknowledge) -> None:
    with closing(mailbox.mbox(f"{directory}/mail")) as box:
        for version in VERSIONS:
            box.add(f"Subject: {version}\n\n{version}\n")
            box.flush()
            ack(version)


def mbox_read(directory: str) -> list[str]:
    with closing(mailbox.mbox(f"{directory}/mail")) as box:
        return [str(each.get_payload()).strip() for each in box]


def log_lines(directory: str, ack: Acknowledge) -> None:
    handler = logging.FileHandler(f"{directory}/log")
    for version in VERSIONS:
        handler.emit(logging.LogRecord("name", logging.INFO, "file", 1, version, (), None))
        ack(version)
    handler.close()


def zip_append(directory: str, ack: Acknowledge) -> None:
    for version in VERSIONS:
        with zipfile.ZipFile(f"{directory}/zip", "a") as archive:
            archive.writestr(version, version)
        ack(version)


def zip_names(directory: str) -> list[str]:
    with zipfile.ZipFile(f"{directory}/zip") as archive:
        return archive.namelist()


def ini_write(directory: str, text: str) -> None:
    parser = configparser.ConfigParser()
    parser["section"] = {"value": text}
    with Path(directory, "file").open("w") as file:
        parser.write(file)


def ini_read(directory: str) -> str | None:
    path = f"{directory}/file"
    parser = configparser.ConfigParser()
    return parser["section"]["value"] if parser.read(path) else None


CASES: Final = {
    "write_text, replace": replacing(write_and_rename),
    "mkstemp, fsync, replace, fsync of the directory": replacing(write_as_one_should),
    "dbm.dumb, sync": collecting(dumb_sync, dumb_keys, made="dumb.dir"),
    "mailbox.Maildir": collecting(maildir_add, maildir_read, made="mail"),
    "mailbox.mbox": collecting(mbox_add, mbox_read, made="mail"),
    "logging.FileHandler": collecting(
        log_lines, lambda directory: (text_of(f"{directory}/log") or "").split("\n"), made="log"
    ),
    "zipfile, append": collecting(zip_append, zip_names, made="zip"),
    "configparser, write": replacing(ini_write, ini_read),
}
