"""Kept runs: named in the end, found again, and never too many."""

import json
import os
import time
from pathlib import Path

import pytest

from wavetank.reports.arguments.choices import UnknownChoiceError
from wavetank.reports.runs import folders as module
from wavetank.reports.runs.folders import RunFolders


@pytest.fixture
def folders(tmp_path: Path) -> RunFolders:
    return RunFolders(tmp_path / "runs")


def keep(folders: RunFolders, digest: str, seed: int = 0) -> Path:
    with folders.new() as folder:
        folder.events.write_text(digest)
        return folders.keep(folder, {"digest": digest}, seed=seed, digest=digest)


def test_a_run_has_its_name_in_the_end(folders: RunFolders) -> None:
    with folders.new() as folder:
        folder.events.write_text("events")
        assert folders.names() == ()
        kept = folders.keep(folder, {"a": 1}, seed=3, digest="0123456789abcdef")
    assert kept == folders.directory / "3-0123456789ab"
    assert json.loads((kept / "run.json").read_text()) == {"a": 1}
    assert (kept / "events.ndjson").read_text() == "events"
    assert sorted(path.name for path in folders.directory.iterdir()) == [kept.name, "latest"]


def test_what_is_not_kept_is_deleted(folders: RunFolders) -> None:
    with folders.new() as folder:
        folder.events.write_text("events")
    assert list(folders.directory.iterdir()) == []


def test_an_equal_run_takes_the_place_of_the_one_before(folders: RunFolders) -> None:
    first, second = keep(folders, "aa"), keep(folders, "aa")
    assert first == second
    assert folders.names() == ("0-aa",)


def test_runs_are_found_by_name_by_folder_and_by_file(folders: RunFolders, tmp_path: Path) -> None:
    kept = keep(folders, "aa")
    last = keep(folders, "bb")
    events = kept / "events.ndjson"
    assert folders.events_of("0-aa") == events
    assert folders.events_of(str(kept)) == events
    assert folders.events_of(str(events)) == events
    assert folders.events_of("latest").samefile(last / "events.ndjson")
    with pytest.raises(UnknownChoiceError, match="got '0-a'; nearest match: 0-aa"):
        folders.events_of("0-a")
    with pytest.raises(UnknownChoiceError, match="got 'latest'"):
        RunFolders(tmp_path / "none").events_of("latest")


def test_where_there_are_no_links_a_file_names_the_latest(
    folders: RunFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    kept = keep(folders, "aa")
    latest = folders.directory / "latest"
    assert latest.read_text() == "0-aa"
    assert folders.events_of("latest") == kept / "events.ndjson"


def test_the_oldest_runs_are_deleted(folders: RunFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    folders.directory.mkdir()
    (folders.directory / "my-own").mkdir()
    for number in range(5):
        keep(folders, f"{number:02}")
    assert set(folders.names()) == {"0-02", "0-03", "0-04"}
    assert (folders.directory / "my-own").is_dir()


def test_what_a_killed_run_left_is_deleted_after_a_day(folders: RunFolders) -> None:
    for name, age_s in ((".new-old", 86500), (".new-young", 86300)):
        left = folders.directory / name
        left.mkdir(parents=True)
        then = time.time() - age_s
        os.utime(left, (then, then))
    keep(folders, "aa")
    names = sorted(path.name for path in folders.directory.iterdir())
    assert names == [".new-young", "0-aa", "latest"]


def test_only_as_many_are_kept_as_there_is_room_for(
    folders: RunFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 150)
    names = []
    for number in range(4):
        path = keep(folders, f"{number}" * 40)
        os.utime(path / "run.json", ns=(number, number))
        names.append(path.name)
    assert folders.names() == (names[3],)
    large = keep(folders, "9" * 400)
    assert folders.names() == (large.name,)
