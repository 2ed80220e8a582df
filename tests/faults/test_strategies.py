"""The strategies leave no word of the language out, and hypothesis to those who want it."""

import subprocess
import sys
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from wavetank.faults import Fault, FaultPlan, What
from wavetank.faults.strategies import fault_plans, faults


def is_drawn(holds: Callable[[Fault], bool]) -> bool:
    # The smallest example is of no interest, and takes long to be found.
    quick = settings(phases=[Phase.generate], max_examples=2000, database=None)
    return holds(find(faults(), holds, settings=quick))


@pytest.mark.parametrize("what", get_args(What), ids=lambda what: what.__name__)
def test_all_that_can_happen_is_drawn(what: type) -> None:
    assert is_drawn(lambda fault: isinstance(fault.what, what))


def test_all_that_says_where_and_which_is_drawn() -> None:
    assert is_drawn(lambda fault: fault.where.offset is not None)
    assert is_drawn(lambda fault: fault.where.caller is not None)
    assert is_drawn(lambda fault: fault.where.condition is not None)
    assert is_drawn(lambda fault: fault.which.chance is not None)
    assert is_drawn(lambda fault: fault.which.first > 1)


@given(plan=fault_plans(names=st.sampled_from(["f", "g"]), max_number=9, max_size=2))
def test_names_and_numbers_are_those_that_were_asked_for(plan: FaultPlan) -> None:
    assert len(plan.faults) <= 2
    for fault in plan.faults:
        assert fault.where.path in (None, "f", "g")
        assert fault.where.caller is None
        assert fault.which.first <= 9
        condition = fault.where.condition
        if condition is not None:
            assert condition.path in ("f", "g")
            assert (condition.size_bytes or 0) <= 9


def test_faults_need_no_hypothesis() -> None:
    script = "import sys, wavetank.faults; print('hypothesis' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
