"""Databases and indexes in files."""

import os
from contextlib import closing
from typing import Final

from .case import VERSIONS, Acknowledge, Case, collecting, load

__all__ = ["CASES"]


def tinydb_insert(directory: str, ack: Acknowledge) -> None:
    with load("tinydb").TinyDB(f"{directory}/db") as database:
        for version in VERSIONS:
            database.insert({"value": version})
            ack(version)


def tinydb_all(directory: str) -> list[str]:
    with load("tinydb").TinyDB(f"{directory}/db") as database:
        return [each["value"] for each in database.all()]


def semidbm_sync(directory: str, ack: Acknowledge) -> None:
    with closing(load("semidbm").open(f"{directory}/db", "c")) as database:
        for version in VERSIONS:
            database[version] = version
            database.sync()
            ack(version)


def semidbm_keys(directory: str) -> list[str]:
    with closing(load("semidbm").open(f"{directory}/db", "c")) as database:
        return [key.decode() for key in database.keys() if database[key] == key]  # noqa: SIM118 - it is no mapping


def pickledb_save(directory: str, ack: Acknowledge) -> None:
    database = load("pickledb").PickleDB(f"{directory}/db").load()
    for version in VERSIONS:
        database.set(version, version)
        database.save()
        ack(version)


def pickledb_all(directory: str) -> list[str]:
    return list(load("pickledb").PickleDB(f"{directory}/db").load().all())


def zodb_commit(directory: str, ack: Acknowledge) -> None:
    transaction = load("transaction")
    storage = load("ZODB.FileStorage").FileStorage(f"{directory}/Data.fs")
    with closing(load("ZODB").DB(storage)) as database, closing(database.open()) as connection:
        for version in VERSIONS:
            connection.root()[version] = version
            transaction.commit()
            ack(version)


def zodb_keys(directory: str) -> list[str]:
    storage = load("ZODB.FileStorage").FileStorage(f"{directory}/Data.fs")
    with closing(load("ZODB").DB(storage)) as database, closing(database.open()) as connection:
        return list(connection.root().keys())


def dulwich_ref(directory: str, ack: Acknowledge) -> None:
    os.mkdir(f"{directory}/git")
    with load("dulwich.repo").Repo.init_bare(f"{directory}/git") as repository:
        for version in VERSIONS:
            blob = load("dulwich.objects").Blob.from_string(version.encode())
            repository.object_store.add_object(blob)
            repository.refs[b"refs/heads/main"] = blob.id
            ack(version)


def dulwich_head(directory: str, acked: list[object]) -> str | None:
    if not acked:
        return None
    with load("dulwich.repo").Repo(f"{directory}/git") as repository:
        found = repository[repository.refs[b"refs/heads/main"]].data.decode()
    old = VERSIONS.index(found) < VERSIONS.index(str(acked[-1]))
    return f"an old value: {found!r}" if old else None


def whoosh_commit(directory: str, ack: Acknowledge) -> None:
    fields = load("whoosh.fields")
    os.mkdir(f"{directory}/index")
    schema = fields.Schema(text=fields.TEXT(stored=True))
    index = load("whoosh.index").create_in(f"{directory}/index", schema)
    for version in VERSIONS[:2]:
        writer = index.writer()
        writer.add_document(text=version)
        writer.commit()
        ack(version)


def whoosh_all(directory: str, acked: list[object]) -> str | None:
    if not acked:
        return None
    index = load("whoosh.index").open_dir(f"{directory}/index")
    with index.searcher() as searcher:
        found = [each["text"] for each in searcher.all_stored_fields()]
    missing = [each for each in acked if each not in found]
    return f"missing: {missing}" if missing else None


def happi_save(directory: str, ack: Acknowledge) -> None:
    database = load("happi.backends.json_db").JSONBackend(
        f"{directory}/happi.json", initialize=True
    )
    for version in VERSIONS:
        database.save(version, {"name": version})
        ack(version)


def happi_items(directory: str) -> list[str]:
    database = load("happi.backends.json_db").JSONBackend(f"{directory}/happi.json")
    return list(database.load())


def nothing(_: str, __: list[object]) -> None:
    return None


CASES: Final = {
    "tinydb": collecting(tinydb_insert, tinydb_all, made="db", package="tinydb"),
    "semidbm, sync": collecting(semidbm_sync, semidbm_keys, made="db", package="semidbm"),
    "pickledb": collecting(pickledb_save, pickledb_all, made="db", package="pickledb"),
    "zodb, FileStorage": collecting(zodb_commit, zodb_keys, made="Data.fs", package="zodb"),
    "dulwich, refs": Case(dulwich_ref, dulwich_head, "dulwich"),
    "whoosh": Case(whoosh_commit, whoosh_all, "whoosh"),
    "happi, JSON": collecting(happi_save, happi_items, made="happi.json", package="happi"),
    "diskcache": Case(
        lambda directory, _: load("diskcache").Cache(f"{directory}/db"), nothing, "diskcache"
    ),
    "sqlitedict": Case(
        lambda directory, _: load("sqlitedict").SqliteDict(f"{directory}/db"), nothing, "sqlitedict"
    ),
}
