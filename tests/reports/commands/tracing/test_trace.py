"""`wavetank trace`: programs in several languages, right and wrong, and all that can go wrong."""

import json
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
CHECK = f"{sys.executable} {PROGRAMS / 'check_saver.py'} {{dir}} {{acked}}"
BOTH = ("file", "directory")

Found = dict[str, Any]
"""A document."""

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace: apt-get install strace"
)


@pytest.fixture(scope="module")
def saver_in_c(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: apt-get install gcc")
    program = tmp_path_factory.mktemp("programs") / "saver"
    source = PROGRAMS / "saver.c"
    subprocess.run([compiler, "-g", "-O1", "-o", program, source], check=True)
    return str(program)


@pytest.fixture(params=["c", "python", pytest.param("node", marks=pytest.mark.slow)])
def saver(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "c":
        return [request.getfixturevalue("saver_in_c")]
    if request.param == "python":
        return [sys.executable, str(PROGRAMS / "saver.py")]
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js: apt-get install nodejs")
    return [node, str(PROGRAMS / "saver.js")]


def traced(program: list[str], remembered: tuple[str, ...], cwd: Path, *more: str) -> Found:
    words = ["--format", "json", "--ack", "acks", "--check", CHECK, "--dir", "data", *more]
    (cwd / "data").mkdir()
    done = wavetank("trace", *words, "--", *program, "data", "acks", *remembered, cwd=cwd)
    assert done.stderr == ""
    found: Found = json.loads(done.stdout)
    jsonschema.validate(found, schema("trace"))
    assert done.returncode == (found["verdict"] == "fail")
    return found


def cures(found: Found) -> list[str]:
    """Return the cures of a document without the places, which differ between languages."""
    return [
        re.sub(r" at [^,]*|, system call \d+|rename\w*", "", each["cure"])
        for each in found["findings"]
    ]


def test_a_program_that_remembers_both_syncs_passes(saver: list[str], tmp_path: Path) -> None:
    found = traced(saver, BOTH, tmp_path)
    assert found["verdict"] == "pass"
    assert found["acknowledged"] == 3
    assert found["syncs_made"] == 6
    assert all(each["complete"] for each in found["profiles"])


def test_what_has_looked_at_no_image_has_not_passed(saver_in_c: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    words = ["--ack", "acks", "--check", CHECK, "--dir", "data", "--max-seconds", "0.000001"]
    done = wavetank("trace", *words, "--", saver_in_c, "data", "acks", *BOTH, cwd=tmp_path)
    assert done.returncode == 4
    assert "0 images" in done.stdout


def test_a_forgotten_sync_is_found_with_the_same_cure_in_each_language(
    saver: list[str], tmp_path: Path
) -> None:
    found = traced(saver, ("file",), tmp_path, "--profile", "posix")
    assert found["findings"][0]["sentence"] == "expected 1 but there is no config"
    assert cures(found) == ["fsync of the directory /data after the "]


@pytest.mark.slow
def test_content_that_comes_after_its_name_is_found_in_each_language(
    saver: list[str], tmp_path: Path
) -> None:
    found = traced(saver, ("directory",), tmp_path, "--profile", "posix")
    assert {each["sentence"] for each in found["findings"]} == {
        "expected a number but config holds ''"
    }
    assert cures(found)[0].startswith("fsync of /data/config.new after the write")


@pytest.mark.slow
def test_the_line_of_source_is_named(saver_in_c: str, tmp_path: Path) -> None:
    found = traced([saver_in_c], ("file",), tmp_path, "--profile", "posix")
    source = (PROGRAMS / "saver.c").read_text().splitlines()
    line = next(number for number, text in enumerate(source, 1) if "renameat(" in text)
    [finding] = found["findings"]
    assert finding["place"] == f"saver.c:{line}"
    assert f"after the renameat at saver.c:{line}, system call " in finding["cure"]


@pytest.mark.slow
def test_the_syncs_that_are_needed_are_told(saver_in_c: str, tmp_path: Path) -> None:
    found = traced([saver_in_c], BOTH, tmp_path, "--syncs", "--profile", "posix")
    assert [(each["path"], each["times"], each["need"]) for each in found["syncs"]] == [
        ("/data/config.new", 3, "needed"),
        ("/data", 3, "needed"),
    ]


def test_a_saved_trace_is_judged_again_and_its_images_laid_out(
    saver_in_c: str, tmp_path: Path
) -> None:
    traced([saver_in_c], ("file",), tmp_path, "--save", "saved", "--profile", "posix")
    words = ["--trace", "saved", "--check", CHECK, "--profile", "posix", "--lay-out", "left"]
    again = wavetank("trace", *words, cwd=tmp_path)
    assert again.returncode == 1
    assert "LOST: expected 1 but there is no config" in again.stdout
    assert [path.name for path in (tmp_path / "left").iterdir()] == ["1"]
    assert (tmp_path / "left" / "1" / "config.new").read_text() == "1\n"


@pytest.mark.slow
def test_a_persistent_checker_says_the_same(saver_in_c: str, tmp_path: Path) -> None:
    checker = tmp_path / "checker.py"
    checker.write_text(
        "from pathlib import Path\n"
        "from wavetank.serving import serve_checks\n"
        "def check(directory, acked):\n"
        "    config = Path(directory, 'config')\n"
        "    if acked and not config.exists():\n"
        "        return f'expected {acked[-1]} but there is no config'\n"
        "    if acked and int(config.read_text()) < int(acked[-1]):\n"
        "        return 'an old number came back'\n"
        "serve_checks(check)\n"
    )
    (tmp_path / "data").mkdir()
    words = ["--checker", "persistent", "--check", f"{sys.executable} {checker}", "--ack", "acks"]
    program = [saver_in_c, "data", "acks", "file"]
    done = wavetank("trace", *words, "--dir", "data", "--", *program, cwd=tmp_path)
    assert done.returncode == 1
    assert "LOST: expected 1 but there is no config" in done.stdout


def test_what_is_observed_must_have_been_there_without_a_crash(
    saver_in_c: str, tmp_path: Path
) -> None:
    words = ["--observe", "cat {dir}/config", "--profile", "posix"]
    done = wavetank("trace", *words, "--", saver_in_c, "{dir}", "{acks}", "file", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        "came back, expected '2\\n'" in done.stdout or "came back, expected '1\\n'" in done.stdout
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--check", "cat {dir}/x"],
            "expected a COMMAND to run, or a file for --trace, but neither",
        ),
        (["--", "true"], "expected a command for --check, or for --observe, but neither came"),
        (["--check", "a", "--observe", "b", "--", "true"], "or for --observe, and not both"),
        (["--check", "cat {dri}", "--", "true", "data"], "{dri}"),
        (["--check", "cat x", "--", "true", "data"], "expected {dir}"),
        (["--check", "no-such-program {dir}", "--", "true", "data"], "no-such-program"),
        (["--check", "cat {dir}", "--", "true"], "expected the directory to trace"),
        (["--check", "cat {dir}", "--", "true", "data"], "changed nothing"),
        (["--check", "cat {dir}", "--", "false", "data"], "exited with 1"),
        (["--check", "cat {dir}", "--", "no-such-program", "data"], "no-such-program"),
        (["--check", "cat {dir}", "--limit", "1", "--dir", "data", "--", "sleep", "60"], "1 s"),
        (["--check", "cat {dir}", "--profile", "psoix", "--", "true", "data"], "posix"),
    ],
)
def test_what_cannot_be_judged_is_told_in_one_sentence(
    words: list[str], told: str, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    done = wavetank("trace", *words, cwd=tmp_path)
    assert told in done.stderr + done.stdout
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_check_that_never_refuses_anything_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    words = ["--check", "true {dir}", "--dir", "data", "--", "touch", "data/f"]
    done = wavetank("trace", *words, cwd=tmp_path)
    assert done.returncode == 0
    assert "note: the check was never seen to refuse anything" in done.stdout
