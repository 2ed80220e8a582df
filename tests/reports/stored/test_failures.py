"""Stored failures come back as they were, and files of other versions are left alone."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from crash_cases import cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavetank.reports.stored.failures import (
    FailureStore,
    StoredFailure,
    UnknownFailureError,
    UnreadableFailureError,
)
from wavetank.scenarios import SCENARIOS, Case, CrashPoint, Violation
from wavetank.sim import POSIX, Kept, Tear

texts = st.lists(st.text(), max_size=3).map(tuple)


@st.composite
def failures(draw: st.DrawFn) -> StoredFailure:
    case = draw(cases())
    violation = Violation(
        id=draw(st.from_regex(r"[a-z]{1,8}-[0-9a-f]{8}", fullmatch=True)),
        invariant=case.invariant,
        kind=case.kind,
        crash=case.crash,
        summary=draw(st.text()),
        why=draw(st.text()),
        steps=draw(texts),
        lost=draw(texts),
        profiles=draw(texts),
        cure=draw(st.text()),
        rules=draw(texts),
    )
    return StoredFailure(case=case, violation=violation, version=draw(st.text()))


def example(summary: str = "an entry is gone") -> StoredFailure:
    crash = CrashPoint(position=3, kept=Kept((1, 2), (Tear(2, 1),)))
    case = Case(
        workload=SCENARIOS["mixed"].workload(7),
        store="builtin",
        profile=POSIX,
        invariant="O2",
        kind="acknowledged entry lost",
        crash=crash,
        trace="00",
    )
    violation = Violation(
        id="mixed-00112233",
        invariant="O2",
        kind="acknowledged entry lost",
        summary=summary,
        why="it was never synced",
        steps=("0: open the store",),
        lost=("step 0: size 3 of /store/log.dat",),
        profiles=("posix",),
        cure="",
        rules=("dirents_ordered",),
        crash=crash,
    )
    return StoredFailure(case=case, violation=violation, version="0.1.0")


# A case holds a whole workload, so that drawing one takes long on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25, deadline=None)
@given(failure=failures())
def test_what_is_stored_is_found_by_id_and_by_file(failure: StoredFailure) -> None:
    with TemporaryDirectory() as directory:
        store = FailureStore(Path(directory))
        path = store.save(failure)
        assert store.find(failure.violation.id) == failure
        assert store.find(str(path)) == failure
        assert store.ids() == (failure.violation.id,)
        assert list(store.unreadable()) == []


def test_the_file_carries_format_version_and_case(tmp_path: Path) -> None:
    document = json.loads(FailureStore(tmp_path).save(example()).read_text())
    assert (document["format"], document["version"]) == (3, "0.1.0")
    assert Case.from_text(json.dumps(document["case"])) == example().case


def test_the_same_failure_is_stored_once_and_shows_its_latest_story(tmp_path: Path) -> None:
    store = FailureStore(tmp_path)
    assert store.save(example()) == store.save(example("two entries are gone"))
    assert [path.name for path in tmp_path.iterdir()] == ["mixed-00112233.json"]
    assert store.find("mixed-00112233").violation.summary == "two entries are gone"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"format": 9, "version": "7.1"}', "$.format: expected 3, got 9, written by wavetank 7.1"),
        ("", "Expecting value"),
        ("[]", "$: expected an object, got list"),
        ('{"format": 3}', "$.case: expected a value, got none"),
        ('{"format": 3, "case": 3}', "$.case: expected an object, got 3 (int)"),
        ('{"format": 3, "case": {"scenario": 3}}', "expected the format wavetank.case/1"),
        ("[" * 100_000, "maximum recursion depth"),
    ],
)
def test_an_unreadable_file_is_named_kept_and_written_beside(
    tmp_path: Path, content: str, reason: str
) -> None:
    store = FailureStore(tmp_path)
    own = tmp_path / "mixed-00112233.json"
    own.write_text(content)
    with pytest.raises(UnreadableFailureError, match="is kept"):
        store.find("mixed-00112233")
    (problem,) = store.unreadable()
    assert f"{own} cannot be read and is kept: " in str(problem)
    assert reason in str(problem)
    assert store.save(example()).name == "mixed-00112233.format-3.json"
    assert store.find("mixed-00112233") == example()
    assert own.read_text() == content
    assert store.ids() == ("mixed-00112233",)


def test_an_unknown_failure_gives_the_nearest(tmp_path: Path) -> None:
    store = FailureStore(tmp_path)
    store.save(example())
    with pytest.raises(UnknownFailureError, match=r"got 'mixed-00112234'; nearest match: mixed-00"):
        store.find("mixed-00112234")
