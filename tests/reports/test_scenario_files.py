"""`wavetank run my.toml`: what a file says is run, and what is typed wins over it."""

from pathlib import Path

import pytest
from attrs import evolve
from console import wavetank

from wavetank.reports.stored.failures import FailureStore
from wavetank.scenarios import SCENARIOS, ReplayVerdict, replay, scenario_from_toml, scenario_text
from wavetank.scenarios.case import AtRest

MINE = """
summary = "a node that votes and appends"
store = "raftlock-published"
profiles = ["sequential", "split"]
seeds = [3]
invariants = ["O1", "O11"]
max_images = 30
steps = [
    {grant_vote = true},
    {repeat = 2, steps = [{append = 2}]},
]

[[own_profiles]]
name = "split"
extends = "ext4"
rename_atomic = false
control = false
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    return tmp_path


def run(here: Path, *arguments: str) -> list[str]:
    return wavetank("run", *arguments, "--workers", "1", cwd=here).stdout.splitlines()


def rows(lines: list[str]) -> list[tuple[str, ...]]:
    """Return name, seed, profile and verdict of each sweep."""
    table = lines[lines.index(next(line for line in lines if line.startswith("scenario"))) + 1 :]
    return [tuple(line.split()[:4]) for line in table[: table.index("")]]


def test_a_file_is_run_as_it_says(here: Path) -> None:
    lines = run(here, "mine.toml")
    assert lines[0].endswith(", seed 3, profiles sequential, split, backend raftlock-published")
    assert rows(lines) == [
        ("mine", "3", "sequential", "fail"),
        ("mine", "3", "split", "fail"),
    ]
    stored = [FailureStore(here / ".wavetank" / "failures").find(each.stem) for each in files(here)]
    assert {each.case.invariant for each in stored} == {"O1", "O11"}
    assert {each.case.workload.invariants for each in stored} == {("O1", "O11")}


def files(here: Path) -> list[Path]:
    return sorted((here / ".wavetank" / "failures").glob("mine-*.json"))


def test_what_is_typed_wins(here: Path) -> None:
    typed = ("--seeds", "1:3", "--profile", "ext4", "--backend", "builtin", "--max-images", "40")
    lines = run(here, "mine.toml", *typed)
    assert lines[0].endswith(", seeds 1:3, profile ext4, backend builtin")
    assert [row[:3] for row in rows(lines)] == [("mine", "1", "ext4"), ("mine", "2", "ext4")]
    judged = [line.split() for line in lines if line.startswith("mine")]
    assert {row[7] for row in judged} == {"40"}


def test_what_a_project_has_settled_does_not(here: Path) -> None:
    settled = '[tool.wavetank]\nbackend = "builtin"\nseed = 9\nprofile = "posix"\n'
    (here / "pyproject.toml").write_text(settled, encoding="utf-8")
    lines = run(here, "mine.toml")
    assert [row[:3] for row in rows(lines)] == [
        ("mine", "3", "sequential"),
        ("mine", "3", "split"),
    ]


def test_files_and_names_run_together_each_as_it_says(here: Path) -> None:
    asked = ("leader-st*", "./mine.toml", "--max-images", "10", "--profile", "ext4")
    lines = run(here, *asked)
    assert lines[0].endswith(", seed 0, profile ext4, backend builtin")
    assert [row[:3] for row in rows(lines)] == [
        ("leader-steady", "0", "ext4"),
        ("mine", "3", "ext4"),
    ]


def test_a_finding_needs_the_file_no_more(here: Path) -> None:
    run(here, "mine.toml", "--max-failures", "2")
    (here / "mine.toml").unlink()
    stored = [FailureStore(here / ".wavetank" / "failures").find(each.stem) for each in files(here)]
    assert len(stored) == 3
    for each in stored:
        assert replay(each.case).verdict is ReplayVerdict.FAILED
    told = wavetank("show", stored[0].violation.id, cwd=here).stdout
    assert "Elsewhere: first wavetank run mine.toml --seed 3 " in told
    test = wavetank("show", stored[0].violation.id, "--as", "pytest", cwd=here).stdout
    names: dict[str, object] = {}
    exec(test, names)
    (check,) = (each for name, each in names.items() if name.startswith("test_"))
    assert callable(check)
    with pytest.raises(AssertionError):
        check()


def test_a_finding_is_shown_as_a_file_that_finds_it_again(here: Path) -> None:
    run(here, "mine.toml")
    before = set(files(here))
    store = FailureStore(here / ".wavetank" / "failures")
    name = files(here)[0].stem
    case = store.find(name).case
    shown = wavetank("show", name, "--as", "toml", cwd=here).stdout
    (here / "again.toml").write_text(shown, encoding="utf-8")
    scenario = scenario_from_toml(shown)
    assert scenario.workload(3).steps == case.workload.steps
    assert (scenario.store, scenario.profiles) == (case.store, (case.profile.name,))
    run(here, "again.toml")
    kinds = {store.find(each.stem).case.kind for each in set(files(here)) - before}
    assert case.kind in kinds


def test_damage_at_rest_is_nothing_that_a_file_can_say(here: Path) -> None:
    run(here, "mine.toml", "-x")
    store = FailureStore(here / ".wavetank" / "failures")
    stored = store.find(files(here)[0].stem)
    case = evolve(stored.case, crash=None, at_rest=AtRest(closed=True))
    store.save(evolve(stored, case=case, violation=evolve(stored.violation, id=case.id)))
    done = wavetank("show", case.id, "--as", "toml", cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    told = f"--as toml: {case.id} damages a store at rest, which a scenario file cannot say"
    assert told in done.stderr


def test_a_scenario_that_ships_is_shown_as_the_file_it_is(tmp_path: Path) -> None:
    shown = wavetank("list", "scenarios", "restart-loop", cwd=tmp_path).stdout
    assert shown == scenario_text("restart-loop")
    assert scenario_from_toml(shown) == SCENARIOS["restart-loop"]
    (tmp_path / "own.toml").write_text(shown, encoding="utf-8")
    asked = ("--profile", "sequential", "--max-images", "20")
    own = run(tmp_path, "own.toml", *asked)
    shipped = run(tmp_path, "restart-loop", *asked)
    assert [line for line in own if line.startswith("digest")] == [
        line for line in shipped if line.startswith("digest")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "mine.toml: expected a readable file in UTF-8, got [Errno 2] "),
        (
            "steps = [{take_snapshot = {behnd = 1}}]",
            (
                "mine.toml: steps[0].take_snapshot.behnd: expected one of the keys behind, size, "
                "got 'behnd'; nearest match: behind\n"
            ),
        ),
        (
            'steps = [{campaign = true}]\nstore = "builtn"',
            "mine.toml: store: expected one of ",
        ),
        (
            'name = "mixed"\nsteps = [{campaign = true}]',
            "mine.toml: name: expected another name than in the catalogue, got 'mixed'\n",
        ),
        (
            'name = "other"\nsteps = [{campaign = true}]',
            "mine.toml: name: expected another name than in other.toml, got 'other'\n",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_before_anything_runs(
    tmp_path: Path, text: str | None, message: str
) -> None:
    (tmp_path / "other.toml").write_text("steps = [{campaign = true}]", encoding="utf-8")
    if text is not None:
        (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    done = wavetank("run", "mixed", "other.toml", "mine.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Error: {message}" in done.stderr


def test_promises_that_a_file_gives_up_are_told(here: Path) -> None:
    text = 'steps = [{append = 1}]\nprofiles = ["sequential"]\n[contract]\nopens_always = false\n'
    (here / "lax.toml").write_text(text, encoding="utf-8")
    lines = run(here, "lax.toml")
    told = "Options, faults or scenario files gave up the promises opens_always (docs/oracle.md)."
    assert told in lines


def test_the_rest_of_a_run_that_stopped_is_run_by_the_file(here: Path) -> None:
    plain = 'seeds = [4, 5]\nprofiles = ["xfs"]\nsteps = [{append = 1}]\n'
    (here / "plain.toml").write_text(plain, encoding="utf-8")
    asked = ("leader-steady", "mine.toml", "plain.toml", "--max-failures", "1")
    lines = run(here, *asked, "--backend", "raftlock-published")
    rest = lines[lines.index(next(line for line in lines if line.startswith("Stopped"))) + 1 :]
    # The profile in the file of the first comes with it, and so do the others there.
    assert rest[:-1] == [
        "  wavetank run mine.toml --seed 3 --backend raftlock-published --max-images 30",
        "  wavetank run plain.toml --seeds 4:6 --profile xfs --backend raftlock-published",
    ]
