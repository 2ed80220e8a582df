"""What people keep: music, notebooks, passwords, calendars, arrays, backups."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final

from .case import VERSIONS, Acknowledge, Case, collecting, load, replacing

__all__ = ["CASES"]

AUDIO: Final = bytes(range(256)) * 36
"""Music of two blocks and a quarter."""


def write_durably(path: str, data: bytes) -> None:
    for name, flags, content in (
        (path, os.O_WRONLY | os.O_CREAT, data),
        (os.path.dirname(path), os.O_RDONLY, b""),
    ):
        descriptor = os.open(name, flags)
        if content:
            os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)


def tag_song(directory: str, ack: Acknowledge) -> None:
    write_durably(f"{directory}/song.mp3", AUDIO)
    ack("audio")
    id3 = load("mutagen.id3")
    tags = id3.ID3()
    tags.add(id3.TIT2(encoding=3, text="one"))
    tags.save(f"{directory}/song.mp3")
    ack("title")


def song_heard(directory: str, acked: list[object]) -> str | None:
    if not acked:
        return None
    song = Path(directory, "song.mp3")
    if not song.read_bytes().endswith(AUDIO):
        return "the music is damaged"
    if "title" in acked and str(load("mutagen.id3").ID3(song)["TIT2"]) != "one":
        return "the title is gone"
    return None


def notebook_write(directory: str, text: str) -> None:
    fileio = load("jupyter_server.services.contents.fileio")
    with fileio.atomic_writing(f"{directory}/book.ipynb") as file:
        json.dump(text, file)


def notebook_read(directory: str) -> object:
    path = Path(directory, "book.ipynb")
    return json.loads(path.read_text()) if path.exists() else None


def notebook_or_copy(directory: str) -> object:
    """Jupyter never reads the hidden copy, but a person who misses the notebook does."""
    hidden = Path(directory, ".~book.ipynb")
    try:
        return notebook_read(directory)
    except json.JSONDecodeError:
        return json.loads(hidden.read_text()) if hidden.exists() else None


KEY: Final = b"k" * 32
"""A key that was derived before: deriving one takes a second."""


def passwords_save(directory: str, ack: Acknowledge) -> None:
    path = f"{directory}/passwords.kdbx"
    database = load("pykeepass").create_database(path, transformed_key=KEY)
    database.add_entry(database.root_group, "one", "user", "password")
    database.save(transformed_key=KEY)
    ack("one")


def passwords_titles(directory: str) -> list[str]:
    database = load("pykeepass").PyKeePass(f"{directory}/passwords.kdbx", transformed_key=KEY)
    return [entry.title for entry in database.entries]


def event(name: str) -> str:
    return (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\n"
        f"UID:{name}\nSUMMARY:{name}\nDTSTART:20260101T000000Z\n"
        "END:VEVENT\nEND:VCALENDAR\n"
    )


def calendar_file(directory: str) -> Any:  # noqa: ANN401 - other people's modules have no types
    """As the first releases had it: one file for a calendar."""
    filesystem = load("radicale.storage.filesystem")
    filesystem.FOLDER = directory
    return filesystem.Collection("user/calendar.ics")


def calendar_append(directory: str, ack: Acknowledge) -> None:
    for version in VERSIONS[:2]:
        calendar_file(directory).append(f"{version}.ics", event(version))
        ack(version)


def calendar_entries(directory: str) -> list[str]:
    texts = [item.text for item in calendar_file(directory).items.values()]
    return [version for version in VERSIONS if any(f"UID:{version}" in text for text in texts)]


def calendar_storage(directory: str) -> Any:  # noqa: ANN401 - other people's modules have no types
    configuration = load("radicale.config").load()
    configuration.update({"storage": {"filesystem_folder": f"{directory}/radicale"}}, "test")
    return load("radicale.storage").load(configuration)


def calendar_upload(directory: str, ack: Acknowledge) -> None:
    item = load("radicale.item").Item
    storage = calendar_storage(directory)
    with storage.acquire_lock("w", "user"):
        storage.create_collection("/user/calendar", props={"tag": "VCALENDAR"})
        collection = next(iter(storage.discover("/user/calendar")))
    for version in VERSIONS[:2]:
        with storage.acquire_lock("w", "user"):
            collection.upload(f"{version}.ics", item(collection=collection, text=event(version)))
        ack(version)


def calendar_events(directory: str) -> list[str]:
    storage = calendar_storage(directory)
    with storage.acquire_lock("r", "user"):
        found = list(storage.discover("/user/calendar"))
        return [item.uid for collection in found for item in collection.get_all()]


def array_set(directory: str, text: str) -> None:
    buffer = load("zarr.core.buffer").default_buffer_prototype().buffer
    store = load("zarr.storage").LocalStore(directory)
    asyncio.run(store.set("chunk", buffer.from_bytes(text.encode())))


def array_get(directory: str) -> str | None:
    prototype = load("zarr.core.buffer").default_buffer_prototype()
    found = asyncio.run(load("zarr.storage").LocalStore(directory).get("chunk", prototype))
    return None if found is None else found.to_bytes().decode()


def backup_store(directory: str, ack: Acknowledge, *, fsync: bool) -> None:
    backend = load("borgstore.backends.posixfs").PosixFS(f"{directory}/repo", do_fsync=fsync)
    backend.create()
    with backend:
        for version in VERSIONS[:2]:
            backend.store(f"data/{version}", version.encode())
            ack(version)


def backup_chunks(directory: str) -> list[str]:
    with load("borgstore.backends.posixfs").PosixFS(f"{directory}/repo") as backend:
        names = [version for version in VERSIONS if backend.info(f"data/{version}").exists]
        return [backend.load(f"data/{name}").decode() for name in names]


CASES: Final = {
    "mutagen, ID3": Case(tag_song, song_heard, "mutagen"),
    "jupyter-server, notebook": replacing(notebook_write, notebook_read, package="jupyter-server"),
    "jupyter-server, with its copy": replacing(
        notebook_write, notebook_or_copy, package="jupyter-server"
    ),
    "pykeepass": collecting(
        passwords_save, passwords_titles, made="passwords.kdbx", package="pykeepass"
    ),
    "radicale, one file": collecting(
        calendar_append, calendar_entries, made="user/calendar.ics", package="radicale"
    ),
    "radicale": collecting(
        calendar_upload,
        calendar_events,
        made="radicale/collection-root/user/calendar",
        package="radicale",
    ),
    "zarr, LocalStore": replacing(array_set, array_get, package="zarr"),
    "borgstore, fsync": collecting(
        lambda directory, ack: backup_store(directory, ack, fsync=True),
        backup_chunks,
        made="repo",
        package="borgstore",
    ),
    "borgstore": collecting(
        lambda directory, ack: backup_store(directory, ack, fsync=False),
        backup_chunks,
        made="repo",
        package="borgstore",
    ),
}
