"""Options that several commands share, each through a command of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from wavetank.reports.commands.options import report_option


@click.command()
@report_option("html", "junit", "ndjson")
def show(*, reports: Mapping[str, Path]) -> None:
    click.echo(json.dumps({kind: str(path) for kind, path in reports.items()}))


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made").mkdir()
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(show, arguments)


def test_files_of_reports_come_by_kind() -> None:
    assert json.loads(invoke().stdout) == {}
    assert json.loads(invoke("--report", "html=a.html").stdout) == {"html": "a.html"}
    both = invoke("--report", "junit=made/b.xml,html=a=b.html", "--report", "ndjson=c")
    assert json.loads(both.stdout) == {
        "junit": str(Path("made/b.xml")),
        "html": "a=b.html",
        "ndjson": "c",
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["html"], "expected KIND=FILE, such as html=FILE, got 'html'"),
        (["html="], "expected KIND=FILE, such as html=FILE, got 'html='"),
        (["html=a,"], "expected KIND=FILE, such as html=FILE, got ''"),
        (
            ["jnuit=a"],
            "expected the kind html or junit or ndjson, got 'jnuit'; nearest match: junit",
        ),
        (["html=a", "html=b"], "expected one file for html, got 'a' and 'b'"),
        (["html=a,junit=a"], "expected a file of its own for each kind, got 'a' twice"),
        (["html=made"], "expected a file, got the directory 'made'"),
        (["html=none/a"], "expected a file in a directory that exists, got 'none/a'"),
    ],
)
def test_what_names_no_file_is_refused(values: list[str], expected: str) -> None:
    answer = invoke(*(word for value in values for word in ("--report", value)))
    assert answer.exit_code == 2
    assert answer.stderr.splitlines()[-1] == f"Error: Invalid value for '--report': {expected}"
