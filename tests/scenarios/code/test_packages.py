"""What the table in docs/python-code.md says of published code is what crashing it shows."""

import importlib.metadata
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from python_packages import CASES

from wavetank.scenarios import crash_test
from wavetank.sim import SAFE_PROFILES
from wavetank.sim.python_files import UnroutedCallError

PAGE: Final = (Path(__file__).parents[3] / "docs/python-code.md").read_text(encoding="utf-8")
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("## What was found in published code")[2].splitlines()
    if line.startswith("| ")
]
HEADER, *TABLE = ROWS
PROFILES: Final = HEADER[3:]
LONG: Final = frozenset(
    {"dbm.dumb, sync", "persist-queue", "whoosh", "zodb, FileStorage", "joblib, Memory"}
)
"""Cases with so many images that they take longer than all others together."""


def installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def test_every_case_has_its_row() -> None:
    assert sorted(row[0] for row in TABLE) == sorted(CASES)


# Their warnings are about themselves.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=[pytest.mark.slow] if row[0] in LONG else []) for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_published_code_is_as_the_table_says(row: list[str]) -> None:
    name, version, _, *expected = row
    case = CASES[name]
    if case.package and installed(case.package) != version:
        pytest.skip(f"needs {case.package} {version}, from the extra `backends`")
    if "refused" in expected:
        with pytest.raises(UnroutedCallError, match="VFS"):
            crash_test(case.workload, case.check)
        return
    report = crash_test(case.workload, case.check, profiles=PROFILES, raise_on_finding=False)
    found = {
        profile: ", ".join(sorted({each.kind for each in verdict.findings})) or verdict.outcome
        for profile, verdict in report.verdicts.items()
    }
    assert found == dict(zip(PROFILES, expected, strict=True))


@pytest.mark.parametrize(
    "name", ["mkstemp, fsync, replace, fsync of the directory", "atomicwrites"]
)
def test_what_is_right_is_right_under_every_safe_profile(name: str) -> None:
    case = CASES[name]
    if case.package:
        pytest.importorskip(case.package)
    report = crash_test(case.workload, case.check, profiles=SAFE_PROFILES)
    assert {verdict.outcome for verdict in report.verdicts.values()} == {"pass"}


def test_the_example_prints_what_stands_below_it(tmp_path: Path) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    ((source, printed),) = [
        (source, printed)
        for (kind, source), (following, printed) in pairwise(blocks)
        if (kind, following) == ("python", "text")
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", printed)
