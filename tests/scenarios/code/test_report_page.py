"""The report of a crash test as a page, and in a notebook."""

import html
from importlib import metadata
from pathlib import Path

import pytest
from html_outline import outline_of

from wavetank.scenarios import CrashReport, crash_test
from wavetank.scenarios.pages import PagesMissingError
from wavetank.sim.python_files import SimulatedDirectory


def write_and_rename(directory: SimulatedDirectory, ack: object) -> None:
    assert callable(ack)
    new = Path(directory, "config.tmp")
    new.write_text("number 1")
    new.replace(Path(directory, "config"))
    ack(1)


def read(directory: SimulatedDirectory) -> str | None:
    path = Path(directory, "config")
    return path.read_text() if path.exists() else None


@pytest.fixture(scope="module")
def report() -> CrashReport:
    return crash_test(write_and_rename, observe=read, profiles=("posix",), raise_on_finding=False)


def test_it_is_written_as_a_page(report: CrashReport, tmp_path: Path) -> None:
    file = tmp_path / "crash.html"
    report.html(file)
    page = file.read_text(encoding="utf-8")
    outline = outline_of(page)
    assert page.count('<article class="finding"') == len(report.findings) == 2
    assert set(outline.targets) <= set(outline.ids)
    assert (outline.fetched, outline.unnamed, outline.unclosed) == ([], [], [])
    assert "<title>wavetank crash_test: fail</title>" in page
    lost = next(each for each in report.findings if each.kind == "lost")
    assert html.escape(lost.cure[1:]) in page  # as a sentence it begins with a capital
    assert "rename /simulated/config.tmp to /simulated/config" in page


@pytest.mark.slow
def test_a_notebook_shows_the_page_in_a_frame(report: CrashReport) -> None:
    shown = report._repr_html_()
    assert shown.startswith('<iframe title="wavetank" ')
    start = shown.index('srcdoc="') + len('srcdoc="')
    page = html.unescape(shown[start : shown.index('"', start)])
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")


def test_without_what_draws_pages_the_story_is_left(
    report: CrashReport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nothing = metadata.EntryPoints()
    monkeypatch.setattr("wavetank.scenarios.pages.entry_points", lambda **_: nothing)
    with pytest.raises(PagesMissingError, match="draws a page of 'crash_test'"):
        report.html(tmp_path / "crash.html")
    assert list(tmp_path.iterdir()) == []
    assert report._repr_html_() == f"<pre>{html.escape(report.story())}</pre>"
