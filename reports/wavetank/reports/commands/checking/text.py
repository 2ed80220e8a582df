"""A scorecard for people: a line per check that did not pass, and counts by group."""

from __future__ import annotations

from collections.abc import Iterator

from wavetank.scenarios.conformance import CheckResult, Outcome, Scorecard

__all__ = ["check_line", "check_text"]


def check_line(result: CheckResult) -> Iterator[str]:
    """Yield the lines that report the result of one check; none for a plain pass."""
    if result.outcome is Outcome.FAIL:
        yield f"FAIL  {result.id}: {result.reason}"
    elif result.outcome is Outcome.SKIP:
        yield f"skip  {result.id}: {result.reason}"
    for note in result.notes:
        yield f"note  {result.id}: {note}"


def check_text(card: Scorecard, version: str, *, again: int = 0) -> str:
    """Return the scorecard as text.

    Args:
        card: the scorecard.
        version: of wavetank.
        again: how many checks were asked first, since they had failed before.
    """
    lines = ["", f"wavetank {version}, scorecard of {card.backend}", ""]
    lines += [f"  {'group':<11}  pass  fail  skip"]
    for group in dict.fromkeys(result.group for result in card.results):
        counts = [
            sum(result.group == group and result.outcome is outcome for result in card.results)
            for outcome in Outcome
        ]
        lines.append(f"  {group:<11}" + "".join(f"  {count or '-':>4}" for count in counts))
    lines.append("")
    if again:
        lines.append(f"asked first, since they had failed before: {again}")
    word = "PASS" if card.passed else "FAIL"
    counted = ", ".join(f"{card.count(outcome)} {outcome.value}" for outcome in Outcome)
    profiles = " and ".join(card.profiles)
    return "\n".join([*lines, f"{word}: {counted}; crashes under {profiles}"])
