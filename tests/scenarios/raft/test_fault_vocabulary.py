"""Every line that `wavetank list faults` shows, in a run that must come to a verdict."""

import pytest

from wavetank.faults import VOCABULARY, FaultWords
from wavetank.scenarios import RunPlan, Verdict, run

IMAGES = 15
NEVER_FIRES = {"any: fail ENOSPC from 65536 bytes written"}
"""The scenario writes less."""


@pytest.mark.parametrize("words", VOCABULARY, ids=lambda words: words.form)
def test_a_line_of_the_vocabulary_runs_to_a_verdict_and_accuses_nobody(words: FaultWords) -> None:
    plan = RunPlan(
        scenarios=("mixed",),
        seeds=(0,),
        profiles=("posix",),
        backend="builtin",
        max_images=IMAGES,
        faults=(words.example,),
    )
    (result,) = run(plan).results
    assert result.violations == ()
    assert result.verdict in {Verdict.PASS, Verdict.INCONCLUSIVE}
    ((line, count),) = result.faults_fired
    assert line == words.example
    assert (count == 0) == (line in NEVER_FIRES)
