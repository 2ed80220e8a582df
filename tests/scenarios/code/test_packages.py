"""What the table in docs/python-code.md says of published code is what crashing it shows."""

import importlib
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
SAFE: Final = ("mkstemp, fsync, replace, fsync of the directory", "atomicwrites", "radicale")
LONG: Final = frozenset(
    {
        "cachecontrol, SeparateBodyFileCache",
        "dbm.dumb, sync",
        "happi, JSON",
        "joblib, Memory",
        "kombu, filesystem transport",
        "jupyter-server, notebook",
        "jupyter-server, with its copy",
        "luigi, scheduler state",
        "mailbox.Maildir",
        "mutagen, ID3",
        "optuna, read the journal",
        "optuna, resume the study",
        "persist-queue",
        "pykeepass",
        "pysyncobj, entries",
        "pysyncobj, term",
        "radicale",
        "td-watson, frames",
        "td-watson, with its backup",
        "whoosh",
        "xonsh, history",
        "zarr, LocalStore",
        "zodb, FileStorage",
    }
)
"""Cases that take more than two seconds, for their images or for their imports."""
QUICK: Final = {"write_text, replace", "mkstemp, fsync, replace, fsync of the directory"}
"""The wrong way and the right one: what the default run of the tests shows of the table."""


def rows_below(heading: str) -> list[dict[str, str]]:
    """Return the rows of the table below a heading, by the names of its columns."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    header, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    return [dict(zip(header, row, strict=True)) for row in rows]


ROWS: Final = [
    *rows_below("What was found in published code"),
    *rows_below("Losses that people reported"),
]
PROFILES: Final = list(ROWS[0])[3:]


def installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def marked(name: str) -> list[pytest.MarkDecorator]:
    if name in LONG:
        return [pytest.mark.minutes]
    return [] if name in QUICK else [pytest.mark.slow]


def test_every_case_has_its_row() -> None:
    assert {row["what"] for row in ROWS} == set(CASES)


# Their warnings are about themselves.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"{row['what']} {row['version']}".strip(), marks=marked(row["what"]))
        for row in ROWS
    ],
)
def test_published_code_is_as_the_table_says(row: dict[str, str]) -> None:
    case = CASES[row["what"]]
    if case.package and installed(case.package) != row["version"]:
        pytest.skip(f"needs {case.package} {row['version']}, from the extra `backends`")
    if case.imported_before:
        importlib.import_module(case.imported_before)
    expected = {profile: row[profile] for profile in PROFILES}
    if "refused" in expected.values():
        with pytest.raises(UnroutedCallError, match="VFS"):
            crash_test(case.workload, case.check)
        return
    report = crash_test(case.workload, case.check, profiles=PROFILES, raise_on_finding=False)
    found = {
        profile: ", ".join(sorted({each.kind for each in verdict.findings})) or verdict.outcome
        for profile, verdict in report.verdicts.items()
    }
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=marked(name)) for name in SAFE])
def test_what_is_right_is_right_under_every_safe_profile(name: str) -> None:
    case = CASES[name]
    if case.package:
        pytest.importorskip(case.package)
    report = crash_test(case.workload, case.check, profiles=SAFE_PROFILES)
    assert {verdict.outcome for verdict in report.verdicts.values()} == {"pass"}


BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = [
    (source, printed)
    for (kind, source), (following, printed) in pairwise(BLOCKS)
    if (kind, following) == ("python", "text")
]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "printed"), EXAMPLES, ids=["observe", "faults"])
def test_an_example_prints_what_stands_below_it(source: str, printed: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", printed)
