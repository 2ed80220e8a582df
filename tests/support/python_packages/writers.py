"""Packages that write one file for others."""

import json
import os
from pathlib import Path
from typing import Final

from .case import Acknowledge, Case, load, replacing, text_of

__all__ = ["CASES"]


def atomic_write(directory: str, text: str) -> None:
    with load("atomicwrites").atomic_write(f"{directory}/file", overwrite=True) as file:
        file.write(text)


def safer_open(directory: str, text: str) -> None:
    with load("safer").open(f"{directory}/file", "w") as file:
        file.write(text)


def portalocker_once(directory: str, ack: Acknowledge) -> None:
    with load("portalocker").open_atomic(f"{directory}/file", binary=False) as file:
        file.write("one")
    ack("one")


def filelock_write(directory: str, text: str) -> None:
    with load("filelock").FileLock(f"{directory}/lock"):
        Path(directory, "file").write_text(json.dumps(text))


def json_read(directory: str) -> object:
    text = text_of(f"{directory}/file")
    return None if text is None else json.loads(text)


def joblib_dump(directory: str, text: str) -> None:
    load("joblib").dump(text, f"{directory}/file")


def joblib_load(directory: str) -> object:
    path = f"{directory}/file"
    return load("joblib").load(path) if os.path.exists(path) else None


def configobj_write(directory: str, text: str) -> None:
    settings = load("configobj").ConfigObj(f"{directory}/file")
    settings["section"] = {"value": text}
    settings.write()


def configobj_read(directory: str) -> str | None:
    settings = load("configobj").ConfigObj(f"{directory}/file")
    return settings["section"]["value"] if settings else None


CASES: Final = {
    "atomicwrites": replacing(atomic_write, package="atomicwrites"),
    "configobj, write": replacing(configobj_write, configobj_read, package="configobj"),
    "safer": replacing(safer_open, package="safer"),
    "portalocker, open_atomic": Case(portalocker_once, replacing(safer_open).check, "portalocker"),
    "filelock, json": replacing(filelock_write, json_read, package="filelock"),
    "joblib, dump": replacing(joblib_dump, joblib_load, package="joblib"),
}
