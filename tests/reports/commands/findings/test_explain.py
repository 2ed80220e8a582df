"""`wavetank explain`: the chain from the promise to the loss, and the cure, on one screen."""

import json
from pathlib import Path

import jsonschema
import pytest
from attrs import evolve
from console import wavetank

from wavetank.reports.documents import schema
from wavetank.reports.telling.sentences import chain_sentences, cure_sentence, first_sentence
from wavetank.scenarios import (
    Action,
    Breach,
    BrokenPromise,
    Chain,
    Cure,
    CureKind,
    LostWork,
    PromiseKind,
    Violation,
)

VOTE = BrokenPromise(
    kind=PromiseKind.VOTE, breach=Breach.GONE, term=1, voted_for="node-d", came="term 0"
)
RENAME = LostWork(
    action=Action.RENAMED,
    path="/store/state.json",
    source="/store/state.json.tmp",
    text="the rename of /store/state.json.tmp to /store/state.json",
    needs="/store",
    step=1,
    by="step 1",
    acknowledged=True,
)


def story(
    broken: BrokenPromise | None = VOTE, *lost: LostWork, step_of_promise: int | None = 1
) -> Violation:
    text = "save state: term 1, vote for node-d"
    promised = None if step_of_promise is None else (step_of_promise, text)
    chain = Chain(
        broken=broken, step=1, step_text=text, returned=True, promised_in=promised, lost=lost
    )
    return Violation(
        id="life-0",
        invariant="O1",
        kind="term went back",
        summary="something is wrong",
        why="",
        steps=(),
        lost=(),
        profiles=(),
        cure="",
        rules=(),
        crash=None,
        chain=chain,
    )


def test_a_planted_bug_is_explained_by_its_id(tmp_path: Path) -> None:
    done = wavetank("explain", "S2", cwd=tmp_path)

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert " ".join(lines[2:4]) == (
        "The vote for node-a in term 1 was acknowledged and is gone: state.json was renamed but "
        "its directory was never synced"
    )
    assert "cure        Sync the directory /store after the rename of /store/state.json.tmp" in (
        done.stdout
    )
    assert len(lines) <= 32
    failure = lines[0].partition(":")[0]
    assert lines[-1] == f"Reproduce: wavetank replay {failure}"
    # It is stored, and can be explained, shown and replayed under its own id.
    again = wavetank("explain", failure, cwd=tmp_path)
    assert again.stdout == done.stdout
    replayed = wavetank("replay", failure, cwd=tmp_path)
    assert replayed.stdout.startswith(f"FAILED {failure}")
    assert "  The vote for node-a in term 1 was acknowledged and is gone" in replayed.stdout


def test_the_document_keeps_to_its_schema(tmp_path: Path) -> None:
    done = wavetank("explain", "N4", "--format", "json", cwd=tmp_path)

    made = json.loads(done.stdout)
    jsonschema.validate(made, schema("explain"))
    assert made["cure"]["kind"] == "commit point"
    assert made["cure"]["target"] == "/store/snapshot.dat, /store/snapshot_meta.json"


def test_a_name_that_is_unknown_is_refused(tmp_path: Path) -> None:
    done = wavetank("explain", "nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert "or a bug of `wavetank zoo`" in done.stderr


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (VOTE, "The vote for node-d in term 1 was acknowledged and is gone"),
        (
            BrokenPromise(kind=PromiseKind.ENTRIES, breach=Breach.GONE, first=2, last=4),
            "Entries 2..4 were acknowledged and are gone",
        ),
        (
            BrokenPromise(kind=PromiseKind.ENTRIES, breach=Breach.ALTERED, first=2, last=2),
            "Entry 2 was acknowledged and came back altered",
        ),
        (
            BrokenPromise(kind=PromiseKind.REMOVAL, breach=Breach.RETURNED, first=2, last=3),
            "Entries 2..3 had been removed, which was acknowledged, and came back",
        ),
        (
            BrokenPromise(kind=PromiseKind.SNAPSHOT, breach=Breach.MIXED, first=9),
            "The snapshot of index 9 came back with data that are not its own",
        ),
        (
            BrokenPromise(kind=PromiseKind.BATCH, breach=Breach.SPLIT, first=1, last=2),
            "Of the batch of entries 1..2 only a part came back",
        ),
        (
            BrokenPromise(kind=PromiseKind.STORE, breach=Breach.REFUSED, came="BadError"),
            "The store does not open any more (BadError)",
        ),
        (None, "Something is wrong"),
    ],
)
def test_the_first_sentence_says_what_a_person_would(
    broken: BrokenPromise | None, sentence: str
) -> None:
    why = "state.json was renamed but its directory was never synced"
    assert first_sentence(story(broken, RENAME)) == f"{sentence}: {why}"


def test_a_chain_goes_from_the_promise_to_the_loss() -> None:
    assert chain_sentences(story(VOTE, RENAME)) == (
        "Promised: step 1 ('save state: term 1, vote for node-d') returned.",
        (
            "Written: step 1 renamed /store/state.json.tmp to /store/state.json; a sync of the "
            "directory /store never came."
        ),
        "Power cut: after step 1 ('save state: term 1, vote for node-d').",
        "Lost: the rename of /store/state.json.tmp to /store/state.json.",
        "Recovered: the store opened on that; something is wrong (O1).",
    )
    assert cure_sentence(story(VOTE, RENAME)) == "no single sync would have prevented it"


def test_syncs_that_are_needed_together_are_all_told() -> None:
    root = Cure(
        kind=CureKind.SYNC,
        target="/",
        is_directory=True,
        after="the name /store",
        by="step 0",
        added=1,
        is_verified=True,
    )
    told = story(VOTE, RENAME)
    assert told.chain is not None
    cure = evolve(root, target="/store", after=RENAME.text, by="step 1", also=(root,))
    assert cure_sentence(evolve(told, chain=evolve(told.chain, cure=cure))) == (
        "sync the directory /store after the rename of /store/state.json.tmp to /store/state.json "
        "in step 1, and the directory / after the name /store in step 0 (2 syncs more in this run; "
        "no image of that crash point shows the failure then)"
    )
