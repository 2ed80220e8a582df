"""JUnit XML: one test case for each sweep of a run, or for each check of a store.

Built servers read the format in many ways; what stands here is what all of them take: one failure a
case at most, properties of a suite and of a case, and no characters that XML forbids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from attrs import frozen

from wavetank.reports.runs.session import Session, Unit
from wavetank.reports.telling.next_commands import replay_command
from wavetank.reports.telling.story import render_story
from wavetank.scenarios import Case, ScenarioResult, Verdict, Violation
from wavetank.scenarios.conformance import Outcome, Scorecard

__all__ = ["check_junit", "run_junit"]

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@frozen(kw_only=True)
class _Failure:
    """Why a test case fails: in one line, as a word, and in full."""

    message: str
    kind: str
    text: str


@frozen(kw_only=True)
class _TestCase:
    """One test case; it passes unless it failed or was skipped."""

    group: str
    name: str
    properties: tuple[tuple[str, str], ...] = ()
    failure: _Failure | None = None
    skipped: str | None = None


@frozen(kw_only=True)
class _TestSuite:
    """Test cases with what they share."""

    name: str
    properties: tuple[tuple[str, str], ...]
    cases: tuple[_TestCase, ...]
    elapsed_s: float | None = None


def run_junit(session: Session, version: str) -> str:
    """Return a run as JUnit XML; what was not finished is skipped.

    Args:
        session: the run.
        version: of wavetank.
    """
    result = session.result
    properties = (
        ("wavetank", version),
        ("seeds", " ".join(map(str, result.plan.seeds))),
        ("backend", result.plan.backend),
        ("digest", result.digest),
    )
    cases = [*map(_sweep_case, result.results), *_found_cases(session), *_remaining_cases(session)]
    suite = _TestSuite(
        name="wavetank run",
        properties=properties,
        cases=tuple(cases),
        elapsed_s=session.elapsed_s,
    )
    return _xml([suite])


def check_junit(cards: Sequence[Scorecard], version: str) -> str:
    """Return scorecards as JUnit XML, a suite for each.

    Args:
        cards: one a store.
        version: of wavetank.
    """
    return _xml(
        _TestSuite(
            name=f"wavetank check {card.backend}",
            properties=(
                ("wavetank", version),
                ("backend", card.backend),
                ("profiles", " ".join(card.profiles)),
            ),
            cases=tuple(
                _TestCase(
                    group=f"{card.backend}.{result.group}",
                    name=result.id,
                    failure=_Failure(message=result.reason, kind=result.id, text=result.reason)
                    if result.outcome is Outcome.FAIL
                    else None,
                    skipped=result.reason if result.outcome is Outcome.SKIP else None,
                )
                for result in card.results
            ),
        )
        for card in cards
    )


def _sweep_case(result: ScenarioResult) -> _TestCase:
    pairs = tuple(zip(result.cases, result.violations, strict=True))
    unjudged = f"inconclusive: {result.unjudged} images unjudged"
    return _TestCase(
        group=f"{result.backend}.{result.name}",
        name=_name(result.name, result.seed, result.options, result.profile),
        properties=(
            ("seed", str(result.seed)),
            ("profile", result.profile),
            ("images", str(result.judged)),
            ("digest", result.digest),
            *_replays(pairs),
        ),
        failure=_failure(pairs),
        skipped=unjudged if result.verdict is Verdict.INCONCLUSIVE else None,
    )


def _found_cases(session: Session) -> Iterator[_TestCase]:
    """Yield what was found in sweeps that were not finished."""
    for case, violation in session.found:
        workload = case.workload
        yield _TestCase(
            group=f"{case.store}.{workload.name}",
            name=f"{_name(workload.name, workload.seed, workload.overrides, case.profile.name)}, "
            f"not finished: {violation.id}",
            properties=(("seed", str(workload.seed)), *_replays([(case, violation)])),
            failure=_failure([(case, violation)]),
        )


def _remaining_cases(session: Session) -> Iterator[_TestCase]:
    reason = "not finished: interrupted" if session.interrupted else "not run: enough failures"
    if session.error is not None:
        reason = f"not finished: {type(session.error).__name__}: {session.error}"
    for unit in session.remaining:
        yield _TestCase(
            group=f"{session.result.plan.backend}.{unit.scenario}",
            name=_unit_name(unit),
            properties=(("seed", str(unit.seed)),),
            skipped=reason,
        )


def _unit_name(unit: Unit) -> str:
    return _name(unit.scenario, unit.seed, unit.options)


def _name(scenario: str, seed: int, options: Sequence[str], profile: str = "") -> str:
    told = f"{scenario} [{','.join(options)}]" if options else scenario
    return f"{told} seed {seed}{f' {profile}' if profile else ''}"


def _replays(pairs: Iterable[tuple[Case, Violation]]) -> tuple[tuple[str, str], ...]:
    return tuple(("replay", replay_command(violation.id)) for _, violation in pairs)


def _failure(pairs: Sequence[tuple[Case, Violation]]) -> _Failure | None:
    if not pairs:
        return None
    _, first = pairs[0]
    more = f" (and {len(pairs) - 1} more)" if len(pairs) > 1 else ""
    return _Failure(
        message=f"{first.invariant}: {first.summary}{more}",
        kind=first.invariant,
        text="\n\n".join(render_story(violation, case) for case, violation in pairs),
    )


def _xml(suites: Iterable[_TestSuite]) -> str:
    root = ET.Element("testsuites", name="wavetank")
    for suite in suites:
        _add_suite(root, suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_suite(root: ET.Element, suite: _TestSuite) -> None:
    counts = {
        "tests": len(suite.cases),
        "failures": sum(each.failure is not None for each in suite.cases),
        "errors": 0,
        "skipped": sum(_is_skipped(each) for each in suite.cases),
    }
    node = ET.SubElement(root, "testsuite", name=_clean(suite.name))
    node.attrib.update({name: str(count) for name, count in counts.items()})
    if suite.elapsed_s is not None:
        node.set("time", f"{suite.elapsed_s:.3f}")
    _add_properties(node, suite.properties)
    for case in suite.cases:
        _add_case(node, case)


def _add_case(suite: ET.Element, case: _TestCase) -> None:
    node = ET.SubElement(suite, "testcase", classname=_clean(case.group), name=_clean(case.name))
    _add_properties(node, case.properties)
    if case.failure is not None:
        failure = ET.SubElement(
            node, "failure", message=_clean(case.failure.message), type=_clean(case.failure.kind)
        )
        failure.text = _clean(case.failure.text)
    elif case.skipped is not None:
        ET.SubElement(node, "skipped", message=_clean(case.skipped))


def _add_properties(node: ET.Element, properties: Sequence[tuple[str, str]]) -> None:
    if properties:
        group = ET.SubElement(node, "properties")
        for name, value in properties:
            ET.SubElement(group, "property", name=name, value=_clean(value))


def _is_skipped(case: _TestCase) -> bool:
    return case.failure is None and case.skipped is not None


def _clean(text: str) -> str:
    """Return a text without what no XML may hold: a store may say anything in its errors."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
