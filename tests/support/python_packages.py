"""Other people's code that writes files, each with a workload and a check of what it promises.

`CASES` holds them by the names of the rows in docs/python-code.md. A check is content with an empty
directory as long as nothing was acknowledged. What is installed only with the extra `backends` is
imported when it is asked for.
"""

import configparser
import dbm.dumb
import json
import logging
import mailbox
import os
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from attrs import frozen

__all__ = ["CASES", "Case"]

Acknowledge = Callable[[object], None]
VERSIONS: Final = ("one", "two", "three")


@frozen
class Case:
    """A use of a package.

    Attributes:
        workload: uses it, and acknowledges what has been promised.
        check: opens what a crash left.
        package: its name in the registry; "" for Python itself.
    """

    workload: Callable[[str, Acknowledge], object]
    check: Callable[[str, list[object]], str | None]
    package: str = ""


def load(name: str) -> Any:  # noqa: ANN401 - other people's modules have no types
    return import_module(name)


def replacing(
    write: Callable[[str, str], object],
    read: Callable[[str], object] = lambda directory: text_of(f"{directory}/file"),
    *,
    package: str = "",
) -> Case:
    """Return the case of one value that is written three times: the newest acknowledged counts."""

    def workload(directory: str, ack: Acknowledge) -> None:
        for version in VERSIONS:
            write(directory, version)
            ack(version)

    def check(directory: str, acked: list[object]) -> str | None:
        found = read(directory)
        if found is None:
            return "nothing is there" if acked else None
        if found not in VERSIONS:
            return f"damaged: {found!r}"
        newest = VERSIONS.index(str(acked[-1])) if acked else 0
        return f"an old value: {found!r}" if VERSIONS.index(str(found)) < newest else None

    return Case(workload, check, package)


def collecting(
    workload: Callable[[str, Acknowledge], object],
    read: Callable[[str], object],
    *,
    made: str,
    package: str = "",
) -> Case:
    """Return the case of things that are added: each that was acknowledged must be there.

    Args:
        workload: adds `VERSIONS`, and acknowledges each.
        read: returns what is there.
        made: a file or directory without which there is nothing to open.
        package: its name in the registry.
    """

    def check(directory: str, acked: list[object]) -> str | None:
        if not os.path.exists(f"{directory}/{made}"):
            return "nothing is there" if acked else None
        found = read(directory)
        assert isinstance(found, (list, set))
        missing = [each for each in acked if each not in found]
        return f"missing: {missing}" if missing else None

    return Case(workload, check, package)


def text_of(path: str) -> str | None:
    return Path(path).read_text() if os.path.exists(path) else None


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


def atomic_write(directory: str, text: str) -> None:
    with load("atomicwrites").atomic_write(f"{directory}/file", overwrite=True) as file:
        file.write(text)


def journal_add(directory: str, ack: Acknowledge) -> None:
    journal = load("pysyncobj.journal").FileJournal(f"{directory}/journal")
    for number in range(4):
        journal.add(f"command {number}".encode(), number, 1)
        ack(("add", number))
    journal.deleteEntriesTo(2)
    ack(("delete", 2))


def journal_entries(directory: str, acked: list[object]) -> str | None:
    """Entries from 2 on were never deleted; those before may be gone or not."""
    if not os.path.exists(f"{directory}/journal"):
        return "nothing is there" if acked else None
    journal = load("pysyncobj.journal").FileJournal(f"{directory}/journal")
    found = [journal[at][1] for at in range(len(journal))]
    missing = [number for number in (2, 3) if ("add", number) in acked and number not in found]
    return f"missing entries: {missing}" if missing else None


def journal_term(directory: str, ack: Acknowledge) -> None:
    journal = load("pysyncobj.journal").FileJournal(f"{directory}/journal")
    for term in (1, 2):
        journal.setCurrentTerm(term, "node-a")
        ack(term)


def journal_term_kept(directory: str, acked: list[object]) -> str | None:
    if not acked:
        return None
    term = load("pysyncobj.journal").FileJournal(f"{directory}/journal").getCurrentTerm()
    return f"the term went back to {term}" if term < acked[-1] else None


def queue_put(directory: str, ack: Acknowledge) -> None:
    queue = load("persistqueue").Queue(f"{directory}/queue", tempdir=directory)
    for version in VERSIONS:
        queue.put(version)
        ack(version)


def queue_get(directory: str) -> list[str]:
    queue = load("persistqueue").Queue(f"{directory}/queue", tempdir=directory)
    return [queue.get(block=False) for _ in range(queue.qsize())]


def tinydb_insert(directory: str, ack: Acknowledge) -> None:
    with load("tinydb").TinyDB(f"{directory}/db") as database:
        for version in VERSIONS:
            database.insert({"value": version})
            ack(version)


def tinydb_all(directory: str) -> list[str]:
    with load("tinydb").TinyDB(f"{directory}/db") as database:
        return [each["value"] for each in database.all()]


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


def cache_set(directory: str, text: str) -> None:
    load("cachelib").FileSystemCache(f"{directory}/cache").set("key", text)


def cache_set_all(directory: str, ack: Acknowledge) -> None:
    for version in VERSIONS:
        cache_set(directory, version)
        ack(version)


def cache_get(directory: str, _: list[object]) -> str | None:
    """A cache may forget; what it gives must have been put there."""
    found = load("cachelib").FileSystemCache(f"{directory}/cache").get("key")
    return None if found in (None, *VERSIONS) else f"damaged: {found!r}"


def joblib_dump(directory: str, text: str) -> None:
    load("joblib").dump(text, f"{directory}/file")


def joblib_load(directory: str) -> object:
    path = f"{directory}/file"
    return load("joblib").load(path) if os.path.exists(path) else None


def doubled(number: int) -> int:
    return 2 * number


def memory_call(directory: str, ack: Acknowledge) -> None:
    cached = load("joblib").Memory(f"{directory}/memory", verbose=0).cache(doubled)
    for number in (1, 2):
        cached(number)
        ack(number)


def memory_answer(directory: str, _: list[object]) -> str | None:
    """A cache may forget; its answers must be right."""
    cached = load("joblib").Memory(f"{directory}/memory", verbose=0).cache(doubled)
    wrong = [number for number in (1, 2) if cached(number) != 2 * number]
    return f"wrong answers for {wrong}" if wrong else None


def zict_set(directory: str, text: str) -> None:
    load("zict").File(f"{directory}/zict")["key"] = text.encode()


def zict_get(directory: str) -> str | None:
    value = load("zict").File(f"{directory}/zict").get("key")
    return None if value is None else bytes(value).decode()


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


def nothing(_: str, __: list[object]) -> None:
    return None


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
    "atomicwrites": replacing(atomic_write, package="atomicwrites"),
    "pysyncobj, entries": Case(journal_add, journal_entries, "pysyncobj"),
    "pysyncobj, term": Case(journal_term, journal_term_kept, "pysyncobj"),
    "persist-queue": collecting(queue_put, queue_get, made="queue", package="persist-queue"),
    "tinydb": collecting(tinydb_insert, tinydb_all, made="db", package="tinydb"),
    "safer": replacing(safer_open, package="safer"),
    "portalocker, open_atomic": Case(portalocker_once, replacing(safer_open).check, "portalocker"),
    "filelock, json": replacing(filelock_write, json_read, package="filelock"),
    "semidbm, sync": collecting(semidbm_sync, semidbm_keys, made="db", package="semidbm"),
    "pickledb": collecting(pickledb_save, pickledb_all, made="db", package="pickledb"),
    "zodb, FileStorage": collecting(zodb_commit, zodb_keys, made="Data.fs", package="zodb"),
    "dulwich, refs": Case(dulwich_ref, dulwich_head, "dulwich"),
    "cachelib, FileSystemCache": Case(cache_set_all, cache_get, "cachelib"),
    "joblib, dump": replacing(joblib_dump, joblib_load, package="joblib"),
    "joblib, Memory": Case(memory_call, memory_answer, "joblib"),
    "zict, File": replacing(zict_set, zict_get, package="zict"),
    "whoosh": Case(whoosh_commit, whoosh_all, "whoosh"),
    "diskcache": Case(
        lambda directory, _: load("diskcache").Cache(f"{directory}/db"), nothing, "diskcache"
    ),
    "sqlitedict": Case(
        lambda directory, _: load("sqlitedict").SqliteDict(f"{directory}/db"), nothing, "sqlitedict"
    ),
}
