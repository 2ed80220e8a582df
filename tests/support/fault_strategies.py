"""Faults of every form, for hypothesis."""

import string

from hypothesis import strategies as st

from wavetank.faults import (
    ByteRange,
    ClockJump,
    Crash,
    CrashEnd,
    Evict,
    Fail,
    Fault,
    FaultClass,
    FaultErrno,
    FaultPlan,
    FillUp,
    FlipBit,
    LostWrite,
    Misdirected,
    Moment,
    OperationKind,
    Short,
    Stall,
    SyncLie,
    TornShape,
    TornWrite,
    When,
    Where,
    Which,
    kinds_of,
)
from wavetank.sim import FsyncFailure

numbers = st.integers(0, 2**40)
counts = st.integers(1, 2**40)
errors = st.sampled_from(FaultErrno)
kinds = st.sampled_from(OperationKind)
transfers = st.sampled_from([OperationKind.READ, OperationKind.WRITE])
syncs_of_files = st.sampled_from([OperationKind.FSYNC, OperationKind.DATASYNC])

paths = st.none() | st.text(
    st.sampled_from(string.ascii_letters + string.digits + "/*?[]!._-é\\'\""), min_size=1
).filter(lambda word: word != "offset")
byte_ranges = st.builds(lambda start, length: ByteRange(start, start + length), numbers, counts)
which = st.builds(Which, first=counts, times=st.none() | counts)
filling = st.builds(FillUp, st.sampled_from([FaultErrno.ENOSPC, FaultErrno.EDQUOT]), numbers)

syncs = st.sampled_from(kinds_of(FaultClass.SYNCING))
torn = st.builds(
    TornWrite,
    st.sampled_from([TornShape.ONLY, TornShape.ALL_BUT]),
    st.sets(numbers, min_size=1).map(sorted).map(tuple),
) | st.builds(
    TornWrite,
    st.sampled_from([TornShape.FIRST, TornShape.LAST, TornShape.GARBAGE]),
    st.tuples(numbers),
)


def where(kind: st.SearchStrategy[OperationKind | None]) -> st.SearchStrategy[Where]:
    return st.builds(Where, kind=kind, path=paths)


places_of_bytes = st.builds(Where, kind=transfers, path=paths, offset=st.none() | byte_ranges)
writes = st.builds(
    Where, kind=st.just(OperationKind.WRITE), path=paths, offset=st.none() | byte_ranges
)

faults: st.SearchStrategy[Fault] = st.one_of(
    st.builds(
        Fault,
        where=where(st.none() | kinds),
        what=st.builds(Fail, error=errors, when=st.sampled_from([When.BEFORE, When.AFTER])),
        which=which,
    ),
    st.builds(
        Fault,
        where=where(syncs_of_files),
        what=st.builds(Fail, error=st.just(FaultErrno.EIO), machine=st.sampled_from(FsyncFailure)),
        which=which,
    ),
    st.builds(
        Fault,
        where=writes,
        what=st.builds(Fail, error=errors, when=st.just(When.PARTIAL), partial_bytes=counts),
        which=which,
    ),
    st.builds(Fault, where=places_of_bytes, what=st.builds(Short, counts), which=which),
    st.builds(
        Fault,
        where=where(st.just(OperationKind.READ)),
        what=st.builds(FlipBit, numbers, numbers),
        which=st.builds(Which, first=counts, times=st.none()),
    ),
    st.builds(Fault, where=where(st.none() | kinds), what=filling),
    st.builds(Fault, where=writes, what=torn | st.just(LostWrite()), which=which),
    st.builds(Fault, where=places_of_bytes, what=st.builds(Misdirected, numbers), which=which),
    st.builds(Fault, where=where(syncs), what=st.just(SyncLie()), which=which),
    st.builds(
        Fault,
        where=where(st.none() | kinds),
        what=st.one_of(
            st.builds(Crash, st.sampled_from(CrashEnd), st.sampled_from(Moment)),
            st.just(Evict()),
            st.builds(Stall, counts),
            st.builds(ClockJump, counts | counts.map(lambda jump_s: -jump_s)),
        ),
        which=which,
    ),
)
"""Any fault that the language can say."""

plans: st.SearchStrategy[FaultPlan] = st.builds(FaultPlan, st.lists(faults, max_size=4).map(tuple))
"""Any plan."""
