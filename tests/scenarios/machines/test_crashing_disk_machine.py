"""Code that is no Raft store: a forgotten fsync is found, a right one is not reported."""

import os
import unittest
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from wavetank.engine import OpenFlag
from wavetank.scenarios import CrashDisk, crash_test
from wavetank.scenarios.machines import CrashingDiskMachine


class NotesMachine(CrashingDiskMachine):
    """Notes in a file, written by unmodified code."""

    syncs: ClassVar[bool] = True

    def restart(self) -> None:
        with self.disk.process():
            notes = Path(self.disk.directory, "notes")
            self.notes = notes.read_text().split() if notes.exists() else []

    @rule(note=st.sampled_from(["milk", "eggs"]))
    def add(self, note: str) -> None:
        with self.disk.process():
            with Path(self.disk.directory, "notes").open("a") as notes:
                notes.write(f"{note}\n")
                notes.flush()
                if self.syncs:
                    os.fsync(notes.fileno())
            if self.syncs:
                directory = os.open(self.disk.directory, os.O_RDONLY)
                os.fsync(directory)
        self.disk.acknowledge(note)
        self.notes.append(note)

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        assert set(self.disk.acknowledged) <= set(self.notes)


class ForgetfulMachine(NotesMachine):
    syncs = False


class CounterMachine(CrashingDiskMachine):
    """A counter in one byte, through the filesystem seam."""

    syncs: ClassVar[bool] = True

    def restart(self) -> None:
        flags = OpenFlag.READ | OpenFlag.WRITE | OpenFlag.CREATE
        self.file = self.disk.fs.open(f"{self.disk.directory}/counter", flags)
        self.disk.fs.fsync_dir(self.disk.directory)
        self.count = int.from_bytes(self.file.pread(1, 0))

    @rule()
    def count_up(self) -> None:
        self.count += 1
        self.file.pwrite(bytes([self.count]), 0)
        if self.syncs:
            self.file.fsync()
        self.disk.acknowledge(self.count)

    @invariant()
    def it_never_goes_back(self) -> None:
        told = [token for token in self.disk.acknowledged if isinstance(token, int)]
        assert self.count >= max(told, default=0)


class ForgetfulCounterMachine(CounterMachine):
    syncs = False


def case_of(machine: type[CrashingDiskMachine], examples: int) -> unittest.TestCase:
    kind = machine.TestCase
    kind.settings = settings(kind.settings, max_examples=examples, derandomize=True, database=None)
    return kind()


@pytest.mark.parametrize("machine", [NotesMachine, CounterMachine])
def test_code_that_syncs_is_not_reported(machine: type[CrashingDiskMachine]) -> None:
    case_of(machine, 30).debug()


@pytest.mark.parametrize("machine", [ForgetfulMachine, ForgetfulCounterMachine])
def test_a_forgotten_sync_is_found_in_two_steps(machine: type[CrashingDiskMachine]) -> None:
    with pytest.raises(AssertionError) as caught:
        case_of(machine, 200).debug()
    told = "\n".join(caught.value.__notes__)
    assert told.count("state.add(") + told.count("state.count_up(") == 1
    assert told.count("state.crash(") == 1
    assert "state.kill(" not in told
    assert "\nlost: " in told
    assert f"no sync of the file {CrashDisk().directory}/" in told


@pytest.mark.slow
def test_it_runs_without_its_test_case_and_leaves_python_its_files() -> None:
    chosen = settings(NotesMachine.TestCase.settings, max_examples=3, database=None)
    run_state_machine_as_test(NotesMachine, settings=chosen)
    crash_test(lambda directory, _: (directory / "file").touch(), lambda _, __: None)
