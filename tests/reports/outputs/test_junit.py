"""JUnit XML: a case for each sweep or check, in the form that build servers read."""

from xml.etree import ElementTree as ET

from attrs import evolve
from session_examples import CASE, PLAN, RESULT, VIOLATION, finished

from wavetank.reports.outputs.junit import check_junit, run_junit
from wavetank.reports.runs.session import Unit, untouched
from wavetank.reports.telling.story import render_story
from wavetank.scenarios.conformance import CheckResult, Outcome, Scorecard

CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "properties": ["property"],
    "property": [],
    "testcase": ["properties", "failure", "skipped"],
    "failure": [],
    "skipped": [],
}
ATTRIBUTES = {
    "testsuites": {"name"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"classname", "name"},
    "failure": {"message", "type"},
    "skipped": {"message"},
}
"""What the schema of JUnit's reports asks for, of the elements that are written."""


def checked(text: str) -> ET.Element:
    """Return the root of a report, each element of which the schema allows."""
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    for node in root.iter():
        assert set(node.attrib) - {"time"} == ATTRIBUTES[node.tag]
        tags = [child.tag for child in node]
        assert tags == sorted(tags, key=CHILDREN[node.tag].index)
    for suite in root:
        cases = suite.findall("testcase")
        counts = {
            "tests": len(cases),
            "failures": len(suite.findall("testcase/failure")),
            "skipped": len(suite.findall("testcase/skipped")),
            "errors": 0,
        }
        assert {name: int(suite.attrib[name]) for name in counts} == counts
        assert all(len(case.findall("failure")) <= 1 for case in cases)
        names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
        assert len(set(names)) == len(names)
    return root


def properties(node: ET.Element) -> list[tuple[str, str]]:
    return [
        (each.attrib["name"], each.attrib["value"]) for each in node.findall("properties/property")
    ]


def test_each_sweep_is_a_case_with_its_seed_and_the_commands_that_replay_it() -> None:
    lost = evolve(RESULT, profile="ext4", violations=(VIOLATION, VIOLATION), cases=(CASE, CASE))
    left = evolve(RESULT, profile="btrfs", options=("json_log",), unjudged=7)
    root = checked(run_junit(finished(RESULT, lost, left), "1.2"))
    (suite,) = root
    assert (suite.attrib["name"], suite.attrib["time"]) == ("wavetank run", "2.040")
    assert properties(suite) == [
        ("wavetank", "1.2"),
        ("seeds", "0"),
        ("backend", "builtin"),
        ("digest", "ab"),
    ]
    passed, failed, skipped = suite.findall("testcase")
    assert passed.attrib == {"classname": "builtin.mixed", "name": "mixed seed 0 posix"}
    assert properties(failed) == [
        ("seed", "0"),
        ("profile", "ext4"),
        ("images", "1000"),
        ("digest", "0" * 32),
        ("replay", "wavetank replay mixed-00112233"),
        ("replay", "wavetank replay mixed-00112233"),
    ]
    failure = failed.find("failure")
    assert failure is not None
    assert failure.attrib == {
        "message": "O12: acknowledged entry lost: index 4 (and 1 more)",
        "type": "O12",
    }
    assert failure.text == "\n\n".join([render_story(VIOLATION, CASE)] * 2)
    assert skipped.attrib["name"] == "mixed [json_log] seed 0 btrfs"
    assert [each.attrib for each in skipped.findall("skipped")] == [
        {"message": "inconclusive: 7 images unjudged"}
    ]


def test_what_an_interrupted_run_left_is_skipped_and_what_it_found_fails() -> None:
    session = evolve(
        untouched(PLAN),
        remaining=(Unit(scenario="mixed", seed=0),),
        found=((CASE, VIOLATION),),
    )
    found, left = checked(run_junit(session, "1.2"))[0].findall("testcase")
    assert found.attrib["name"] == "mixed seed 0 posix, not finished: mixed-00112233"
    assert found.find("failure") is not None
    assert left.attrib["name"] == "mixed seed 0"
    assert [each.attrib for each in left.findall("skipped")] == [
        {"message": "not finished: interrupted"}
    ]
    stopped = evolve(session, interrupted=False, found=())
    (left,) = checked(run_junit(stopped, "1.2"))[0].findall("testcase")
    assert [each.attrib["message"] for each in left.findall("skipped")] == [
        "not run: enough failures"
    ]


def test_whatever_a_store_says_the_file_is_xml() -> None:
    strange = evolve(VIOLATION, summary="\x00\x1b[31m <&\"' \ud800 ]]> é")
    result = evolve(RESULT, violations=(strange,), cases=(CASE,))
    failure = checked(run_junit(finished(result), "1.2"))[0].find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"] == "O12: \ufffd\ufffd[31m <&\"' \ufffd ]]> é"


def test_each_check_of_a_store_is_a_case() -> None:
    results = tuple(
        CheckResult(name=outcome.value, group="vote", outcome=outcome, reason=reason)
        for outcome, reason in (
            (Outcome.PASS, ""),
            (Outcome.FAIL, "the vote is gone"),
            (Outcome.SKIP, "not declared: votes"),
        )
    )
    card = Scorecard(
        backend="mine:store", capabilities=("votes",), profiles=("posix",), results=results
    )
    root = checked(check_junit([card, evolve(card, backend="other")], "1.2"))
    suite, other = root
    assert suite.attrib["name"] == "wavetank check mine:store"
    assert other.attrib["name"] == "wavetank check other"
    passed, failed, skipped = suite.findall("testcase")
    assert passed.attrib == {"classname": "mine:store.vote", "name": "vote.pass"}
    failure = failed.find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "the vote is gone", "type": "vote.fail"}
    assert [each.attrib for each in skipped.findall("skipped")] == [
        {"message": "not declared: votes"}
    ]
