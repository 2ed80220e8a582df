"""`CrashingDiskMachine`: hypothesis cuts the power under code of one's own.

It brings the disk, the crashes and the restarts; rules and invariants are those of whoever knows
what the code has promised.
"""

from __future__ import annotations

import unittest
from collections.abc import Sequence
from functools import cache
from typing import ClassVar, Final

from hypothesis import HealthCheck, Phase, note
from hypothesis import settings as Settings  # noqa: N812 - hypothesis names a class in small letters
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from wavetank.scenarios.code.crash_disk import CrashDisk, SharedPythonFiles
from wavetank.scenarios.exploration.loss import Loss
from wavetank.sim import SAFE_PROFILES, Profile

__all__ = ["CrashingDiskMachine", "MachineTestCase"]

_back: Final = st.just(0) | st.integers(0, 20)
_newest: Final = st.just(0) | st.integers(0, 4) | st.integers(0, 40)
_also: Final = st.just(()) | st.lists(st.integers(0, 20), max_size=3, unique=True)
_sectors: Final = st.just(0) | st.integers(0, 255)
_SETTINGS: Final = Settings(
    deadline=None,
    stateful_step_count=20,
    # To explain, hypothesis traces every line, and the simulation of Python's files has many.
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class MachineTestCase(unittest.TestCase):
    """All examples of a machine as one test.

    Attributes:
        settings: of hypothesis; may be replaced.
        machine: the class of the machine.
    """

    settings: ClassVar[Settings] = _SETTINGS
    machine: ClassVar[type[CrashingDiskMachine]]

    def runTest(self) -> None:  # noqa: N802 - unittest's name
        """Try the examples, which share one simulation of Python's files: it opens slowly."""
        kind = self.machine
        kind.shared_files = SharedPythonFiles()
        try:
            run_state_machine_as_test(kind, settings=self.settings)
        finally:
            kind.shared_files.close()
            kind.shared_files = None


class _TestCases:
    """The attribute `TestCase` of a machine, made when it is asked for."""

    def __get__(self, instance: object, kind: type[CrashingDiskMachine]) -> type[MachineTestCase]:
        return _test_case_of(kind)


@cache
def _test_case_of(kind: type[CrashingDiskMachine]) -> type[MachineTestCase]:
    content = {"machine": kind, "__module__": kind.__module__}
    return type(f"{kind.__name__}.TestCase", (MachineTestCase,), content)


class CrashingDiskMachine(RuleBasedStateMachine):
    """Code that writes files, on a disk that can lose what was not synced.

    A subclass opens its files in `restart`, works in rules of its own, tells `disk.acknowledge`
    what must survive, and says in an invariant what must hold. pytest and unittest run `TestCase`.

    Attributes:
        profiles: what a power cut may lose: one of them in each example.
        files: of Python's own modules, shared by all examples while `TestCase` runs.
        disk: the disk of this example.
    """

    TestCase = _TestCases()  # type: ignore[assignment]
    shared_files: ClassVar[SharedPythonFiles | None] = None

    profiles: ClassVar[Sequence[Profile]] = SAFE_PROFILES

    def __init__(self) -> None:
        super().__init__()
        self.disk: CrashDisk

    def restart(self) -> None:
        """Open what is on the disk; called at the beginning, and after each crash and kill."""

    @initialize(name=st.runner().flatmap(lambda self: st.sampled_from(_names(self.profiles))))
    def make_disk(self, name: str) -> None:
        """Make a disk of which power cuts may lose what a profile says."""
        profile = next(each for each in self.profiles if each.name == name)
        self.disk = CrashDisk(profile, files=type(self).shared_files)
        self.restart()

    @rule(lost_newest=_newest, lost_also=_also, torn_sectors=_sectors, back=_back)
    def crash(
        self,
        lost_newest: int = 0,
        lost_also: Sequence[int] = (),
        torn_sectors: int = 0,
        back: int = 0,
    ) -> None:
        """Cut the power, `back` records of the op log ago, and restart; see `Loss`.

        What was lost, and the sync that would have kept it, stands beside a failing example.
        """
        loss = Loss(newest=lost_newest, also=tuple(lost_also), torn_sectors=torn_sectors)
        self.disk.crash(loss, back=back)
        for each in self.disk.lost:
            note(f"lost: {each}")
        self.restart()

    @rule()
    def kill(self) -> None:
        """Kill the process and start the next."""
        self.disk.kill()
        self.restart()

    def teardown(self) -> None:
        """Give the interpreter its own files back."""
        if hasattr(self, "disk"):
            self.disk.close()


def _names(profiles: Sequence[Profile]) -> list[str]:
    return [profile.name for profile in profiles]
