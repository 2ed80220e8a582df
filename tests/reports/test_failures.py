"""Stored failures come back as they were, and files of other versions are left alone."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.reports.failures import (
    FailureStore,
    StoredFailure,
    UnknownFailureError,
    UnreadableFailureError,
    read_failure,
)
from wavetank.scenarios import CrashPoint, ReplayCase, Violation
from wavetank.sim import Kept, Tear

numbers = st.integers(0, 2**40)
texts = st.lists(st.text(), max_size=3).map(tuple)
tears = st.builds(
    Tear,
    number=numbers,
    sectors=st.integers(0, 255),
    garbage=st.integers(0, 255),
    spills=st.booleans(),
    span=st.none() | st.tuples(numbers, numbers),
)
kept = st.builds(
    Kept,
    st.lists(numbers, max_size=5).map(tuple),
    st.lists(tears, max_size=2).map(tuple),
    st.booleans(),
    st.booleans(),
)
inner_crashes = st.builds(CrashPoint, position=numbers, kept=kept)
crashes = st.builds(
    CrashPoint,
    position=numbers,
    kept=kept,
    killed_at=st.none() | numbers,
    then=st.lists(inner_crashes, max_size=2).map(tuple),
)


@st.composite
def failures(draw: st.DrawFn) -> StoredFailure:
    case = draw(
        st.builds(
            ReplayCase,
            scenario=st.text(),
            seed=numbers,
            backend=st.text(),
            profile=st.text(),
            invariant=st.text(),
            kind=st.text(),
            crash=st.none() | crashes,
            log_digest=st.text(),
            options=texts,
            faults=texts,
        )
    )
    violation = Violation(
        id=draw(st.from_regex(r"[a-z]{1,8}-[0-9a-f]{8}", fullmatch=True)),
        invariant=case.invariant,
        kind=case.kind,
        summary=draw(st.text()),
        why=draw(st.text()),
        steps=draw(texts),
        lost=draw(texts),
        profiles=draw(texts),
        cure=draw(st.text()),
        rules=draw(texts),
        crash=case.crash,
    )
    return StoredFailure(case=case, violation=violation, version=draw(st.text()))


def example(summary: str = "an entry is gone") -> StoredFailure:
    crash = CrashPoint(position=3, kept=Kept((1, 2), (Tear(2, 1),)))
    case = ReplayCase(
        scenario="mixed",
        seed=7,
        backend="builtin",
        profile="posix",
        invariant="O2",
        kind="acknowledged entry lost",
        crash=crash,
        log_digest="00",
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


@given(failure=failures())
def test_what_is_stored_is_found_by_id_and_by_file(failure: StoredFailure) -> None:
    with TemporaryDirectory() as directory:
        store = FailureStore(Path(directory))
        path = store.save(failure)
        assert store.find(failure.violation.id) == failure
        assert store.find(str(path)) == failure
        assert store.ids() == (failure.violation.id,)
        assert list(store.unreadable()) == []


def test_a_file_from_before_truncations_could_forget_is_read(tmp_path: Path) -> None:
    path = FailureStore(tmp_path).save(example())
    document = json.loads(path.read_text())
    assert document["case"]["crash"].pop("forgotten") is False
    path.write_text(json.dumps(document))
    assert FailureStore(tmp_path).find(str(path)) == example()


def test_the_file_carries_format_version_and_fingerprint(tmp_path: Path) -> None:
    document = json.loads(FailureStore(tmp_path).save(example()).read_text())
    assert document["format"] == 2
    assert document["version"] == "0.1.0"
    assert document["fingerprint"] == "builtin/mixed/7/posix/O2/acknowledged entry lost"


def test_the_same_failure_is_stored_once_and_shows_its_latest_story(tmp_path: Path) -> None:
    store = FailureStore(tmp_path)
    assert store.save(example()) == store.save(example("two entries are gone"))
    assert [path.name for path in tmp_path.iterdir()] == ["mixed-00112233.json"]
    assert store.find("mixed-00112233").violation.summary == "two entries are gone"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"format": 9, "version": "7.1"}', "$.format: expected 2, got 9, written by wavetank 7.1"),
        ("", "Expecting value"),
        ("[]", "$: expected an object, got list"),
        ('{"format": 2}', "$.case: expected a value, got none"),
        ('{"format": 2, "case": 3}', "$.case: expected an object, got 3 (int)"),
        ('{"format": 2, "case": {"scenario": 3}}', "$.case.scenario: expected text, got 3 (int)"),
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
    assert store.save(example()).name == "mixed-00112233.format-2.json"
    assert store.find("mixed-00112233") == example()
    assert own.read_text() == content
    assert store.ids() == ("mixed-00112233",)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("position", -1, "$.case.crash.position: expected a whole number >= 0, got -1 (int)"),
        ("position", True, "$.case.crash.position: expected a whole number >= 0, got True (bool)"),
        ("kept", [1, "2"], "$.case.crash.kept: expected a list of whole numbers, got [1, '2']"),
        ("kept", 4, "$.case.crash.kept: expected a list of whole numbers, got 4 (int)"),
        ("tears", {}, "$.case.crash.tears: expected a list of objects, got {} (dict)"),
        ("tears", [4], "$.case.crash.tears[0]: expected an object, got 4 (int)"),
    ],
)
def test_a_damaged_field_is_named(tmp_path: Path, field: str, value: object, reason: str) -> None:
    path = FailureStore(tmp_path).save(example())
    document = json.loads(path.read_text())
    document["case"]["crash"][field] = value
    path.write_text(json.dumps(document))
    with pytest.raises(UnreadableFailureError) as caught:
        read_failure(path)
    assert str(caught.value).startswith(f"{path} cannot be read and is kept: {reason}")


def test_an_unknown_failure_gives_the_nearest(tmp_path: Path) -> None:
    store = FailureStore(tmp_path)
    store.save(example())
    with pytest.raises(UnknownFailureError, match=r"got 'mixed-00112234'; nearest match: mixed-00"):
        store.find("mixed-00112234")
