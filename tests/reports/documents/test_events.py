"""Every kind of event is a line that its schema allows, and the line is read as an equal event."""

import json
from pathlib import Path

import jsonschema
import pytest

from wavetank.reports.documents import schema
from wavetank.reports.documents.events import (
    EventError,
    event_document,
    event_line,
    read_event,
    read_events,
)
from wavetank.reports.outputs.event_lines import short_line
from wavetank.scenarios import (
    EVENT_KINDS,
    SCENARIOS,
    ClusterRunEvent,
    DamageEvent,
    Event,
    FindingEvent,
    OpEvent,
    OwnProfile,
    OwnScenario,
    PointOutcome,
    RunFinishedEvent,
    RunPlan,
    RunStartedEvent,
    ScenarioFinishedEvent,
    ScenarioStartedEvent,
    ScheduleRun,
    StepEvent,
    SyncEvent,
)
from wavetank.sim import EXT4

PLAN = RunPlan(
    scenarios=("mixed",),
    seeds=(0, 7),
    profiles=("posix",),
    backend="builtin",
    depth=None,
    own_profiles=(OwnProfile(EXT4, "mine.toml"),),
    own_scenarios=(OwnScenario(SCENARIOS["mixed"], "my.toml"),),
    option_sets=((), ("json_log",)),
    faults=("fsync log.dat #3: fail EIO ext4",),
)
TOLD = {
    RunStartedEvent(PLAN): "     0 run   1 scenarios, seeds 0,7, posix, builtin",
    ScenarioStartedEvent(
        backend="builtin", profiles=("posix", "ext4"), workloads=1
    ): "     0 begin mixed/7 builtin under posix,ext4",
    StepEvent(
        workload=0, step=3, text="append", returned=False, position=9
    ): "     0 call  mixed/7 @9 3: append",
    StepEvent(
        workload=2, step=3, text="append", returned=True, position=9
    ): "     0 back  mixed/7 @9 2.3: append",
    OpEvent(
        position=4, call=2, op="data", path="/s/f", size=12, removes=False, digest="0123abcd"
    ): "     0 data  mixed/7 @4 /s/f 12 B #0123abcd",
    OpEvent(
        position=4, call=2, op="name", path="/s/f", size=None, removes=True, digest="0123abcd"
    ): "     0 gone  mixed/7 @4 /s/f #0123abcd",
    OpEvent(
        position=4, call=2, op="attribute", path="/s/f", size=None, removes=False, digest="0123abcd"
    ): "     0 attr  mixed/7 @4 /s/f #0123abcd",
    SyncEvent(
        position=5, call=3, sync="fsync", path="/s/f", failed=True
    ): "     0 sync! mixed/7 @5 fsync /s/f",
    ScheduleRun(
        run=1, schedule="0 1 0", digest="ab" * 16, broken="O13"
    ): "     0 tasks mixed/7 1 0 1 0 #abababab O13",
    ClusterRunEvent(
        run=0, digest="ab" * 16, simulated_ns=1_500_000_000, power_cuts=2, broken=""
    ): "     0 nodes mixed/7 0 1.500 s, 2 power cuts #abababab",
    DamageEvent(
        closed=True, damage="cut log.dat", mode="strict", outcome="detected", problem=""
    ): "     0 rot   mixed/7 closed, cut log.dat, strict: detected",
    DamageEvent(
        closed=False, damage="cut log.dat", mode="strict", outcome="none", problem="silent"
    ): "     0 rot   mixed/7 killed, cut log.dat, strict: none: silent",
    PointOutcome(
        position=6, step=1, images=3, broken=("O1", "O2")
    ): "     0 crash mixed/7 @6 step 1, 3 images O1,O2",
    FindingEvent(
        id="mixed-1",
        invariant="O2",
        problem="entry lost",
        summary="entry 4 lost",
        position=6,
        killed_at=None,
        nested=0,
        lost=2,
    ): "     0 FOUND mixed/7 mixed-1 O2: entry 4 lost",
    ScenarioFinishedEvent(
        verdict="fail",
        steps=4,
        crash_points=5,
        legal=None,
        distinct=6,
        judged=6,
        unjudged=0,
        cache_hits=1,
        recoveries=9,
        depth=0,
        schedules=0,
        complete=False,
        findings=1,
        digest="cd" * 16,
    ): "     0 end   mixed/7 fail, 6 images, 1 findings #" + "cd" * 16,
    RunFinishedEvent(
        verdict="fail", digest="", sweeps=1, findings=1, remaining=2
    ): "     0 done  fail, 1 sweeps, 1 findings, 2 units remain",
}


def event(what: object) -> Event:
    about_all = isinstance(what, RunStartedEvent | RunFinishedEvent)
    return Event(
        number=0,
        scenario="" if about_all else "mixed",
        seed=None if about_all else 7,
        what=what,  # type: ignore[arg-type]
    )


def test_every_kind_is_tried() -> None:
    assert {type(what) for what in TOLD} == set(EVENT_KINDS.values())


@pytest.mark.parametrize("what", TOLD, ids=lambda what: type(what).__name__)
def test_an_event_is_one_line_that_is_read_as_the_same_event(what: object) -> None:
    one = event(what)
    line = event_line(one)
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    assert read_event(line) == one
    jsonschema.validate(json.loads(line), schema("event"))


@pytest.mark.parametrize(("what", "line"), TOLD.items(), ids=lambda it: type(it).__name__)
def test_an_event_has_a_short_line(what: object, line: str) -> None:
    assert short_line(event(what)) == line


def test_the_schema_takes_no_data_of_another_kind() -> None:
    document = event_document(event(next(iter(TOLD))))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "kind": "op"}, schema("event"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "event: expected JSON, got '{'"),
        ("[]", r"event: expected the schema wavetank.event/1, got '\[\]'"),
        ('{"schema":"wavetank.event/2"}', "event: expected the schema wavetank.event/1, got "),
        ('{"schema":"wavetank.event/1","kind":"cat"}', "event: expected a kind of .*, got 'cat'"),
        ('{"schema":"wavetank.event/1","kind":"op"}', "event: KeyError: 'number'"),
    ],
)
def test_what_is_no_event_is_refused(line: str, message: str) -> None:
    with pytest.raises(EventError, match=message):
        read_event(line)


def test_a_file_names_the_line_that_is_no_event(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(event_line(event(next(iter(TOLD)))) + "{}\n")
    with pytest.raises(EventError, match=r"events\.ndjson:2: event: expected the schema"):
        list(read_events(path))
