"""The programs in docs/examples do what the pages say of them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from compiled_drivers import GO, needs_gcc, needs_go, needs_strace

EXAMPLES: Final = Path(__file__).parents[1] / "docs" / "examples"
PATH: Final = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
CHECK: Final = f"{sys.executable} -S -E {EXAMPLES / 'check_counter.py'} {{dir}} {{acked}}"


def run(*words: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with these words in a directory that may be written to."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env={**os.environ, "PATH": PATH, "PYTHONPATH": str(EXAMPLES)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_of_two_ways_to_save_settings_one_is_right(tmp_path: Path) -> None:
    done = run("-W", "error", str(EXAMPLES / "save_settings.py"), directory=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    verdicts = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert verdicts == ["save_wrong: fail", "save_right: pass"]
    cures = [line.strip() for line in done.stdout.splitlines() if "cure:" in line]
    place = "at save_settings.py"
    assert [cure.partition(" after ")[0] for cure in cures] == [
        "cure: fsync of /simulated/settings.new",
        "cure: fsync of the directory /simulated",
    ]
    assert all(place in cure for cure in cures)


@pytest.mark.slow
def test_the_tiny_store_passes_every_check_that_it_declares(tmp_path: Path) -> None:
    done = run("-m", "wavetank", "check", "tiny_store:TinyStore", directory=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("PASS: 34 pass, 0 fail, ")


@pytest.mark.slow
def test_the_tests_of_the_key_value_service_pass(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "test_key_value_service.py", tmp_path)
    done = run(
        *("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("-p", "wavetank.reports.pytest_plugin"),
        directory=tmp_path,
    )
    assert done.stdout.splitlines()[-1].startswith("2 passed"), done.stdout


@contextmanager
def served(directory: Path) -> Iterator[int]:
    """Yield the port of a running service, and kill it."""
    service = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "key_value_service.py"), str(directory), "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    with service:
        yield int(service.stdout.readline().split()[-1])
        service.send_signal(signal.SIGKILL)


def answers(port: int, *lines: str) -> list[str]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall("".join(f"{line}\n" for line in lines).encode())
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile().read().splitlines()


def test_the_key_value_service_has_after_a_kill_what_it_acknowledged(tmp_path: Path) -> None:
    with served(tmp_path / "data") as port:
        assert answers(port, "set a 1", "get a", "get b") == ["ok", "1", "(none)"]
    with served(tmp_path / "data") as port:
        assert answers(port, "get a", "put a 2") == ["1", "expected 'set KEY VALUE' or 'get KEY'"]


def trace(program: Path, *words: str, directory: Path) -> subprocess.CompletedProcess[str]:
    options = ("--check", CHECK, "--profile", "ext4", "--workers", "1")
    command = (str(program), "{dir}", "{acks}", *words)
    return run("-m", "wavetank", "trace", *options, "--", *command, directory=directory)


def is_cured_by_two_syncs(program: Path, source: str, directory: Path) -> None:
    careless = trace(program, directory=directory)
    assert careless.returncode == 1, careless.stdout + careless.stderr
    cures = [line.split(None, 1)[1] for line in careless.stdout.splitlines() if "  cure " in line]
    assert [cure.partition(" after ")[0] for cure in cures] == [
        "fsync of /data/number.new",
        "fsync of the directory /data",
    ]
    assert all(f" at {source}:" in cure for cure in cures)
    careful = trace(program, "safe", directory=directory)
    assert careful.returncode == 0, careful.stdout + careful.stderr


@pytest.mark.slow
@needs_gcc
@needs_strace
def test_the_counter_in_c_is_cured_by_two_syncs(tmp_path: Path) -> None:
    program = tmp_path / "counter"
    source = EXAMPLES / "counter.c"
    words = ("-g", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source))
    subprocess.run(["gcc", *words], check=True)
    is_cured_by_two_syncs(program, "counter.c", tmp_path)


@pytest.mark.slow
@needs_go
@needs_strace
def test_the_counter_in_go_is_cured_by_two_syncs(tmp_path: Path) -> None:
    program = tmp_path / "counter"
    assert GO is not None
    subprocess.run([GO, "build", "-o", program, EXAMPLES / "counter.go"], check=True)
    is_cured_by_two_syncs(program, "counter.go", tmp_path)
