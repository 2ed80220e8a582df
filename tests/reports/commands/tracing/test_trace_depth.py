"""`wavetank trace --depth`: recoveries, right and wrong, that are crashed, too."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from console import wavetank

from wavetank.reports.documents import schema

PROGRAMS = Path(__file__).parents[3] / "support" / "traced"
SYNCED = "journal data"
NO_FUSE = not os.access("/dev/fuse", os.R_OK | os.W_OK)

Found = dict[str, Any]
"""A document."""

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace: apt-get install strace"
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the store, and its check, which does not recover."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: apt-get install gcc")
    folder = tmp_path_factory.mktemp("programs")
    for name in ("journaled", "check_journaled"):
        source = PROGRAMS / f"{name}.c"
        subprocess.run([compiler, "-g", "-O1", "-o", folder / name, source], check=True)
    return folder


def crashed(
    programs: Path,
    remembered: str,
    cwd: Path,
    *more: str,
    store: str = "",
    depth: int = 1,
    saving: tuple[str, ...] = (),
) -> Found:
    """Return what came of a store whose recovery remembers some of its syncs."""
    store = store or str(programs / "journaled")
    (cwd / "data").mkdir()
    words = ["--format", "json", "--ack", "acks", "--profile", "ext4", "--depth", str(depth)]
    words += ["--check", f"{programs / 'check_journaled'} {{dir}} {{count}}", "--dir", "data"]
    words += ["--recover", f"{store} recover {{dir}} {remembered}", *more]
    done = wavetank("trace", *words, "--", *store.split(), "save", "data", "acks", *saving, cwd=cwd)
    assert done.stderr == ""
    found: Found = json.loads(done.stdout)
    jsonschema.validate(found, schema("trace"))
    assert done.returncode == (found["verdict"] == "fail")
    return found


def without_places(text: str) -> str:
    """Return a cure without the calls and lines, which differ between languages and recorders."""
    return re.sub(r" (after|right after) the [^;]*?of the recovery", "", text)


def test_a_recovery_that_remembers_its_syncs_passes(programs: Path, tmp_path: Path) -> None:
    found = crashed(programs, SYNCED, tmp_path)
    assert found["verdict"] == "pass"
    [profile] = found["profiles"]
    assert profile["complete"]
    # Before and after the work there is no journal.
    assert (profile["recoveries"], profile["recoveries_idle"]) == (12, 2)
    assert (profile["recoveries_left"], profile["unrecorded"]) == (0, 0)


def test_a_bug_that_lies_in_the_recovery_alone_is_told_with_both_crashes(
    programs: Path, tmp_path: Path
) -> None:
    found = crashed(programs, "journal", tmp_path)
    [finding] = found["findings"]
    lines = (PROGRAMS / "journaled.c").read_text().splitlines()
    write = 1 + next(number for number, line in enumerate(lines) if "pwrite(" in line)
    removal = 1 + next(number for number, line in enumerate(lines) if "unlinkat(" in line)
    assert finding["kind"] == "damaged"
    assert finding["after"] == "a crash inside recovery"
    assert finding["sentence"] == "left holds 0 but right holds 1"
    [first] = finding["earlier"]
    assert first["crash"].startswith(f"after pwrite64 of /data/journal at journaled.c:{write}, ")
    assert first["files"] == [{"path": "/data/journal", "bytes": 9}]
    assert finding["crash"].startswith(
        f"inside the recovery: after unlinkat of /data/journal at journaled.c:{removal}, "
    )
    assert len(finding["lost"]) == 1
    assert finding["lost"][0].startswith("bytes 0..8 of /data/left (pwrite64 ")
    assert finding["why"].startswith(
        "the power went inside a recovery: nothing orders bytes 0..8 of /data/left before"
    )
    assert without_places(finding["cure"]) == (
        "fsync of /data/left; fsync of /data/right (all of them)"
    )


def test_without_a_depth_it_is_not_seen(programs: Path, tmp_path: Path) -> None:
    found = crashed(programs, "journal", tmp_path, depth=0)
    assert found["verdict"] == "pass"
    assert found["profiles"][0]["recoveries"] == 0


@pytest.mark.slow
def test_a_complaint_that_takes_one_crash_is_not_told_again_with_two(
    programs: Path, tmp_path: Path
) -> None:
    found = crashed(programs, "journal", tmp_path, saving=("forgetful",))
    told = [(each["after"], each["sentence"]) for each in found["findings"]]
    assert ("", "left holds 0 but right holds 1") in told
    assert all(not after for after, _ in told)


def test_what_a_limit_leaves_out_is_told(programs: Path, tmp_path: Path) -> None:
    found = crashed(programs, SYNCED, tmp_path, "--max-recoveries", "3")
    assert found["verdict"] == "inconclusive"
    [profile] = found["profiles"]
    assert not profile["complete"]
    assert profile["recoveries"] + profile["recoveries_idle"] == 3
    assert profile["recoveries_left"] > 5
    assert any(
        note.startswith("no crash was tried inside the recovery of at least")
        and "raise --max-recoveries for more" in note
        for note in found["notes"]
    )


def test_recoveries_that_change_nothing_are_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    words = ["--depth", "1", "--profile", "process-kill", "--check", "true {dir}", "--dir", "data"]
    done = wavetank("trace", *words, "--", "touch", "data/f", cwd=tmp_path)
    assert "note: no recovery changed the directory, on 2 images, " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recorder", "language"), [("strace", "c"), ("strace", "python"), ("fuse", "c")]
)
def test_the_same_is_found_in_each_language_and_by_each_recorder(
    programs: Path, tmp_path: Path, recorder: str, language: str
) -> None:
    if recorder == "fuse" and NO_FUSE:
        pytest.skip("needs /dev/fuse")
    store = f"{sys.executable} {PROGRAMS / 'journaled.py'}" if language == "python" else ""
    (tmp_path / "right").mkdir()
    right = crashed(programs, SYNCED, tmp_path / "right", "--recorder", recorder, store=store)
    assert right["verdict"] == "pass"
    wrong = crashed(programs, "", tmp_path, "--recorder", recorder, store=store)
    [finding] = wrong["findings"]
    assert finding["after"] == "a crash inside recovery"
    assert finding["sentence"] == "left holds 0 but right holds 1"
    cures = without_places(finding["cure"]).removesuffix(" (all of them)").split("; ")
    assert sorted(cures) == ["fsync of /data/left", "fsync of /data/right"]


@pytest.mark.slow
def test_a_recovery_after_a_kill_must_sync_what_it_relies_on(
    programs: Path, tmp_path: Path
) -> None:
    found = crashed(programs, "data", tmp_path)
    [finding] = found["findings"]
    assert finding["after"] == "a crash after a kill and a restart"
    assert finding["earlier"][0]["crash"].startswith("the process was killed after pwrite64 of ")
    assert finding["cure"] == (
        "fsync of /data/journal at the start of the recovery, before it changes anything"
    )


@pytest.mark.slow
def test_recoveries_of_recoveries_are_crashed_at_depth_two(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "once").mkdir()
    [once] = crashed(programs, SYNCED, tmp_path / "once", "--profile", "posix")["profiles"][1:]
    [twice] = crashed(programs, SYNCED, tmp_path, "--profile", "posix", depth=2)["profiles"][1:]
    assert (once["outcome"], twice["outcome"]) == ("pass", "pass")
    assert twice["complete"]
    assert twice["recoveries"] > once["recoveries"]


@pytest.mark.slow
def test_a_check_that_recovers_by_itself_is_crashed_as_the_recovery(
    programs: Path, tmp_path: Path
) -> None:
    script = tmp_path / "check.sh"
    script.write_text(f"{programs}/journaled recover $1 journal; {programs}/check_journaled $1 $2")
    (tmp_path / "data").mkdir()
    words = ["--depth", "1", "--profile", "ext4", "--check", f"sh {script} {{dir}} {{count}}"]
    program = [str(programs / "journaled"), "save", "data", "acks"]
    done = wavetank("trace", *words, "--dir", "data", "--ack", "acks", "--", *program, cwd=tmp_path)
    assert done.returncode == 1
    assert "DAMAGED after a crash inside recovery: left holds 0 but right holds 1" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--checker", "persistent", "--depth", "1", "--check", "cat"], "--recover"),
        (["--max-recoveries", "3", "--check", "true {dir}"], "--depth"),
        (["--depth", "1", "--recover", "true", "--check", "true {dir}"], "{dir}"),
        (["--depth", "1", "--recover", "nothing {dir}", "--check", "true {dir}"], "nothing"),
        (["--recover", "cat {dir} {acked}", "--check", "true {dir}"], "expected {dir} alone"),
        (["--recover", "false {dir}", "--check", "true {dir}"], "recovery failed"),
        (
            ["--depth", "1", "--check", "sh -c 'test ! -e $1/seen && touch $1/seen' - {dir}"],
            "it must accept what a recovery has left",
        ),
    ],
)
def test_what_cannot_be_crashed_is_told_in_one_sentence(
    words: list[str], told: str, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    done = wavetank("trace", *words, "--dir", "data", "--", "touch", "data/f", cwd=tmp_path)
    assert told in done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
