"""Real stores and languages under strace: the recorder itself holds the replay to the directory.

A trace that does not lead to the directory, byte for byte, raises `TraceError`, so that a test here
need only ask for what the log must hold besides.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wavetank.sim import Mark, Sync
from wavetank.sim.traces import Program, Trace, record

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def needs(module: str) -> pytest.MarkDecorator:
    is_missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(is_missing, reason=f"needs {module}")


def needs_tool(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"needs {name}")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def python(directory: Path, script: str) -> Trace:
    work = (sys.executable, "-c", script, str(directory))
    return record(Program(work=work, directory=directory, acks=1))


def synced_before_ack(trace: Trace) -> list[bool]:
    """Return for each acknowledgement whether anything was synced since the one before."""
    found, synced = [], False
    for each in trace.log:
        if isinstance(each, Mark):
            found.append(synced)
            synced = False
        else:
            synced = synced or isinstance(each, Sync)
    return found


SQLITE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1] + "/x.db", isolation_level=None) as base:
    base.execute("pragma journal_mode={mode}")
    base.execute("create table t(k integer primary key, v blob)")
    for k in range(5):
        base.execute("insert into t values(?, ?)", (k, b"v" * 3000))
        print("ACK", k, flush=True)
{end}
"""


@pytest.mark.parametrize(
    ("mode", "end", "rebuilt"),
    [
        ("delete", "", ()),
        ("persist", "", ()),
        ("truncate", "", ()),
        ("wal", "", ("/data/x.db-shm",)),
        ("wal", "import os; os._exit(0)", ("/data/x.db-shm",)),
    ],
)
def test_sqlite(directory: Path, mode: str, end: str, rebuilt: tuple[str, ...]) -> None:
    trace = python(directory, SQLITE.format(mode=mode, end=end))
    assert trace.tokens == ("0", "1", "2", "3", "4")
    assert synced_before_ack(trace) == [True] * 5
    assert trace.rebuilt == rebuilt


LMDB = """
import lmdb, sys
base = lmdb.open(sys.argv[1], map_size=1 << 20)
for k in range(5):
    with base.begin(write=True) as transaction:
        transaction.put(b"%d" % k, b"v" * 3000)
    print("ACK", k, flush=True)
"""


@needs("lmdb")
def test_lmdb(directory: Path) -> None:
    trace = python(directory, LMDB)
    assert synced_before_ack(trace) == [True] * 5
    assert trace.rebuilt == ("/data/lock.mdb",)


LEVELDB = """
import plyvel, sys
base = plyvel.DB(sys.argv[1] + "/base", create_if_missing=True, write_buffer_size=1 << 16)
for k in range(60):
    base.put(b"%d" % k, b"v" * 3000, sync=True)
    print("ACK", k, flush=True)
base.close()
"""


@needs("plyvel")
def test_leveldb(directory: Path) -> None:
    assert synced_before_ack(python(directory, LEVELDB)) == [True] * 60


ROCKSDB = """
import rocksdict, sys
base = rocksdict.Rdict(sys.argv[1] + "/base")
options = rocksdict.WriteOptions()
options.sync = True
base.set_write_options(options)
for k in range(10):
    base[k] = b"v" * 3000
    print("ACK", k, flush=True)
base.flush()
base.close()
"""


@needs("rocksdict")
def test_rocksdb(directory: Path) -> None:
    assert synced_before_ack(python(directory, ROCKSDB)) == [True] * 10


NODE = """
const fs = require('fs');
const directory = process.argv[1];
(async () => {
  for (let k = 0; k < 5; k++) {
    const file = await fs.promises.open(`${directory}/new`, 'w');
    await file.writeFile(`value ${k}`);
    await file.sync();
    await file.close();
    await fs.promises.rename(`${directory}/new`, `${directory}/value`);
    fs.writeSync(1, `ACK ${k}\\n`);
  }
  const write = k => fs.promises.writeFile(`${directory}/${k}`, 'x'.repeat(9000));
  await Promise.all([...Array(8).keys()].map(write));
})();
"""


@needs_tool("node")
@pytest.mark.parametrize("uring", ["0", "1"])
def test_node(directory: Path, uring: str) -> None:
    work = ("node", "-e", NODE, str(directory))
    environment = {"UV_USE_IO_URING": uring}
    trace = record(Program(work=work, directory=directory, acks=1, environment=environment))
    assert trace.tokens == ("0", "1", "2", "3", "4")
    assert synced_before_ack(trace) == [True] * 5


GO = """
package main

import (
    "fmt"
    "io"
    "os"
    "sync"
)

func main() {
    directory := os.Args[1]
    for k := 0; k < 5; k++ {
        file, _ := os.Create(directory + "/new")
        fmt.Fprintf(file, "value %d", k)
        file.Sync()
        file.Close()
        os.Rename(directory+"/new", directory+"/value")
        fmt.Printf("ACK %d\\n", k)
    }
    source, _ := os.Open(directory + "/value")
    target, _ := os.Create(directory + "/copy")
    io.Copy(target, source)
    var all sync.WaitGroup
    for k := 0; k < 8; k++ {
        all.Add(1)
        go func(k int) {
            defer all.Done()
            os.WriteFile(fmt.Sprintf("%s/%d", directory, k), make([]byte, 9000), 0644)
        }(k)
    }
    all.Wait()
}
"""


@needs_tool("go")
def test_go(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text(GO)
    command = ("go", "build", "-o", "store", "main.go")
    subprocess.run(command, cwd=tmp_path, check=True)
    work = (str(tmp_path / "store"), str(directory))
    trace = record(Program(work=work, directory=directory, acks=1))
    assert synced_before_ack(trace) == [True] * 5


@pytest.mark.parametrize(
    "script",
    [
        "cp /bin/sh . ; cat sh > b; mv sh other; ln other more; rm other",
        "cp -r /etc/alternatives a; cp -r a b; rm -r a",
        "mkdir -p a/b; echo x | tee a/b/c > a/d; tar cf t.tar a; rm -r a; tar xf t.tar",
        "for i in 1 2 3 4 5 6 7 8; do (echo $i > $i; mv $i m$i) & done; wait",
        "seq 9999 | sort -R | sort -n > sorted; gzip sorted; gunzip -k sorted.gz",
        "dd if=/dev/zero of=z bs=1000 count=5 seek=2 oflag=dsync conv=notrunc; truncate -s 3 z",
    ],
)
def test_shell(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)
    trace = record(Program(work=("/bin/sh", "-ec", script), directory=directory))
    assert trace.log


def many_threads(directory: Path) -> Callable[[], None]:
    def work() -> None:
        def one(number: int) -> None:
            with (directory / f"f{number}").open("ab", buffering=0) as file:
                for turn in range(10):
                    file.write(b"%d" % number * 50)
                    os.fsync(file.fileno())
                    os.pwrite(shared, b"%d" % turn * 100, 100 * number)
            (directory / f"f{number}").rename(directory / f"f{number % 5}")

        shared = os.open(directory / "shared", os.O_WRONLY | os.O_CREAT)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one, range(60)))

    return work


def test_threads(directory: Path) -> None:
    """Writes of 16 threads to a file each, and to their own ranges of one that they share."""
    trace = record(Program(work=many_threads(directory), directory=directory))
    assert sum(isinstance(each, Sync) for each in trace.log) == 600
