"""`Case`: everything that makes one judgement reproducible, as one value with a text and an id.

A case holds the workload itself and not the name of a scenario, the profile as a whole, and the
crash. So it means the same in another process, on another machine, and after the scenarios that
ship have changed. `wavetank run` stores a case for each finding; `replay` and `show` read it.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Final, Self

from attrs import evolve, field, frozen
from cattrs import BaseValidationError, transform_error
from cattrs.preconf.json import JsonConverter, make_converter
from cattrs.strategies import configure_tagged_union

from wavetank.faults import FaultPlan, fault_plan
from wavetank.scenarios.exploration.crash_point import CrashPoint
from wavetank.scenarios.raft.steps import (
    Append,
    OpenAgain,
    Read,
    SaveSnapshot,
    SaveState,
    Step,
    StoreCall,
    TruncatePrefix,
    TruncateSuffix,
    Workload,
)
from wavetank.sim import Profile, Tearing, TearShape
from wavetank.sim.scheduling.schedule import Schedule

__all__ = ["CASE_FORMAT", "AtRest", "Case", "CaseError"]

CASE_FORMAT: Final = "wavetank.case/1"
"""What the text of a case says about its format."""


class CaseError(ValueError):
    """A text that is no case, or that of a case of another format."""


@frozen(kw_only=True)
class AtRest:
    """How a store's life ends, and what is damaged then, instead of a crash.

    Attributes:
        closed: whether the store is closed in the end; it is killed otherwise.
        damages: what is done to its files, in words, one after the other; () if many things are to
            be tried.
        mode: the recovery mode in which it is opened then; "" likewise.
    """

    closed: bool
    damages: tuple[str, ...] = ()
    mode: str = ""


@frozen(kw_only=True)
class Case:
    """One judgement: what runs, on what, how it crashes, and what was wrong then.

    Attributes:
        workload: the steps, the store's options, and the faults.
        store: the name under which the registry finds the store.
        profile: what a crash may lose.
        profile_file: where the profile was read from; "" if it ships.
        scenario_file: where the scenario was read from; "" if it ships.
        depth: crashes inside recoveries, one inside the other, that are explored; None: until no
            new image comes.
        tearing: what the device does below a block.
        crash: the crash; None if no crash is needed, or all are to be explored.
        invariant: id of the invariant that was broken; "" if nothing has been found yet.
        kind: what was wrong, without particulars.
        trace: `trace_digest` of the run in which it was found; "" if nothing has been found yet.
        is_reproduced: whether the crash showed the problem again at once; if not, the store is not
            deterministic.
        schedule: how the tasks of the workload are switched; None if it has none, or if many
            schedules are to be explored.
        at_rest: damage to the store once its life is over; None if crashes are judged.

    >>> from wavetank.scenarios import SCENARIOS
    >>> from wavetank.sim import POSIX
    >>> case = Case(
    ...     workload=SCENARIOS["leader-steady"].workload(seed=0), store="builtin", profile=POSIX
    ... )
    >>> Case.from_text(case.to_text()) == case
    True
    >>> case.id.startswith("leader-steady-")
    True
    """

    workload: Workload
    store: str
    profile: Profile
    profile_file: str = ""
    scenario_file: str = ""
    depth: int | None = 0
    tearing: Tearing = field(factory=Tearing)
    crash: CrashPoint | None = None
    invariant: str = ""
    kind: str = ""
    trace: str = ""
    is_reproduced: bool = True
    schedule: Schedule | None = None
    at_rest: AtRest | None = None

    @property
    def id(self) -> str:
        """A short name: the workload's, and a hash of all that the case holds."""
        digest = blake2b(self.to_text().encode(), digest_size=6).hexdigest()
        return f"{self.workload.name or 'workload'}-{digest}"

    def without_finding(self) -> Case:
        """Return the case of the whole exploration in which this was found."""
        return evolve(
            self,
            crash=None,
            invariant="",
            kind="",
            trace="",
            is_reproduced=True,
            schedule=None,
            at_rest=None if self.at_rest is None else AtRest(closed=self.at_rest.closed),
        )

    def is_shown_by(self, invariant: str, kind: str) -> bool:
        """Whether a problem is the one of this case."""
        return (invariant, kind) == (self.invariant, self.kind)

    def to_text(self) -> str:
        """Return the case as JSON; equal cases have equal texts."""
        document: dict[str, object] = {"format": CASE_FORMAT, **_CONVERTER.unstructure(self)}
        return json.dumps(document, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the case of a text.

        Raises:
            CaseError: the text is no case, or of another format; the message names the places.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CaseError(f"case: expected JSON but got {text[:40]!r}: {error}") from error
        if not isinstance(document, dict) or document.get("format") != CASE_FORMAT:
            found = document.get("format") if isinstance(document, dict) else type(document)
            raise CaseError(f"case: expected the format {CASE_FORMAT} but got {found!r}")
        del document["format"]
        try:
            return _CONVERTER.structure(document, cls)
        except BaseValidationError as error:
            raise CaseError(f"case: {'; '.join(transform_error(error))}") from error


def _converter() -> JsonConverter:
    converter = make_converter(omit_if_default=True, forbid_extra_keys=True)
    changes = SaveState | Append | TruncateSuffix | TruncatePrefix | SaveSnapshot
    configure_tagged_union(changes, converter, tag_name="kind")
    configure_tagged_union(
        SaveState | SaveSnapshot | Append | Read | TruncateSuffix | TruncatePrefix | OpenAgain,
        converter,
        tag_name="kind",
    )
    configure_tagged_union(Step, converter, tag_name="kind")
    configure_tagged_union(StoreCall, converter, tag_name="kind")
    converter.register_unstructure_hook(Schedule, str)
    converter.register_structure_hook(Schedule, lambda text, _: Schedule.from_text(text))
    converter.register_unstructure_hook(FaultPlan, lambda plan: str(plan).splitlines())
    converter.register_structure_hook(FaultPlan, lambda lines, _: fault_plan(lines))
    converter.register_unstructure_hook_func(
        lambda kind: kind == frozenset[TearShape],
        lambda shapes: sorted(shape.value for shape in shapes),
    )
    return converter


_CONVERTER: Final = _converter()
