"""Cases for hypothesis: any workload, profile and crash, whether or not they fit together."""

from hypothesis import strategies as st

from wavetank.scenarios import Case, CrashPoint
from wavetank.scenarios.strategies import profiles, workloads
from wavetank.sim import Kept, Tear, Tearing

__all__ = ["cases"]

_numbers = st.integers(0, 2**40)
_tears = st.builds(
    Tear,
    number=_numbers,
    sectors=st.integers(0, 255),
    garbage=st.integers(0, 255),
    spills=st.booleans(),
    span=st.none() | st.tuples(_numbers, _numbers),
)
_kept = st.builds(
    Kept,
    st.lists(_numbers, max_size=5).map(tuple),
    st.lists(_tears, max_size=2).map(tuple),
    st.booleans(),
    st.booleans(),
)
_inner = st.builds(CrashPoint, position=_numbers, kept=_kept)
_crashes = st.builds(
    CrashPoint,
    position=_numbers,
    kept=_kept,
    killed_at=st.none() | _numbers,
    then=st.lists(_inner, max_size=2).map(tuple),
)


def cases() -> st.SearchStrategy[Case]:
    """Return a strategy for cases with every field filled."""
    return st.builds(
        Case,
        workload=workloads(max_steps=4),
        store=st.text(),
        profile=profiles(),
        profile_file=st.text(),
        depth=st.none() | st.integers(0, 5),
        tearing=st.builds(Tearing, powersafe_overwrite=st.booleans()),
        crash=st.none() | _crashes,
        invariant=st.text(),
        kind=st.text(),
        trace=st.text(),
        is_reproduced=st.booleans(),
    )
