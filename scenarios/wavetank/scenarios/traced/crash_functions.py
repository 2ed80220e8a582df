"""`crash_test` on the real machine: the workload runs in a recorded process, on a real directory.

What no simulated disk sees is seen here: databases in C, processes that the code starts, whatever
an extension does to files.
"""

from __future__ import annotations

import pickle
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from attrs import frozen

from wavetank.scenarios.code.asking.answers import TooSlowError
from wavetank.scenarios.code.asking.judging import CheckJudge, Judge
from wavetank.scenarios.code.asking.observing import FilesJudge, ObserveJudge
from wavetank.scenarios.code.crashing.verdicts import Extent, Judged, report_of, too_slow_at_once
from wavetank.scenarios.code.errors import WorkloadError
from wavetank.scenarios.code.initial import Initial, initial_image
from wavetank.scenarios.code.recording import CodeRecording, finished_result
from wavetank.scenarios.code.report import CrashReport
from wavetank.scenarios.code.user_code import Check, Observe, Workload
from wavetank.scenarios.traced.function_runs import FunctionRuns
from wavetank.scenarios.traced.probing import ImageProbing
from wavetank.scenarios.traced.recording import recording_of
from wavetank.sim import ROOT_INODE, DirectoryContent, DiskImage
from wavetank.sim.python_files import SimulatedDirectory
from wavetank.sim.traces import Program, ProgramError, Recorder
from wavetank.sim.traces.images import ImageDirectory, room_for_images

__all__ = ["CodeUnderTrace", "crash_functions", "recorder_named"]

_NAME: Final = "data"


@frozen(kw_only=True)
class CodeUnderTrace:
    """What is tested, and what says whether it is right; see `crash_test`.

    Attributes:
        workload: the code under test.
        check: complains of what is wrong; None if nobody does.
        observe: shows what the program makes of the files; None if nobody does.
        initial: what is there from the beginning.
        check_limit_s: real seconds after which a look is stopped.
    """

    workload: Workload
    check: Check | None
    observe: Observe | None
    initial: Initial | None
    check_limit_s: float


def recorder_named(name: str, *, stacks: bool = True) -> Recorder:
    """Return a recorder.

    Args:
        name: "strace" or "fuse".
        stacks: whether strace records the source lines of system calls.

    Raises:
        ValueError: there is no such recorder.
    """
    # Each asks for what not every machine has.
    if name == "strace":
        from wavetank.sim.traces.strace.recorder import record  # noqa: PLC0415 - see above

        return partial(record, stacks=stacks)
    if name == "fuse":
        from wavetank.sim.traces.fuse.recorder import FuseRecorder  # noqa: PLC0415 - see above

        return FuseRecorder().record
    raise ValueError(f'recorder: expected "strace" or "fuse" but got {name!r}')


def crash_functions(code: CodeUnderTrace, recorder: Recorder, extent: Extent) -> CrashReport:
    """Record a workload on the real machine, and judge all that crashes may leave.

    Args:
        code: what is tested.
        recorder: sees what it does.
        extent: profiles, and how far to go.

    Raises:
        WorkloadError: the workload failed, or changed nothing.
        CheckError: the check is wrong without any crash, or accepts everything.
        RecorderMissingError: the machine lacks what is needed.
        TraceError: what was seen cannot be trusted.
    """
    recording = _recorded(code, recorder)
    with ExitStack() as stack:
        judged = Judged(recording, _judge(code, recording, stack))
        try:
            refuses = judged.judge.try_out()
        except TooSlowError:
            return report_of(
                [judged], extent, too_slow_at_once, check_limit_s=code.check_limit_s, refuses=True
            )
        return report_of(
            [judged],
            extent,
            check_limit_s=code.check_limit_s,
            refuses=refuses,
            has_check=code.check is not None,
        )


def _recorded(code: CodeUnderTrace, recorder: Recorder) -> CodeRecording:
    with tempfile.TemporaryDirectory(prefix="wavetank-", dir=room_for_images()) as room:
        directory, acks = Path(room) / _NAME, Path(room) / "acks"
        ImageDirectory(Path(room), f"/{_NAME}").show(_start(code.initial))
        acks.touch()
        program = Program(
            work=partial(_work, code.workload, SimulatedDirectory(directory), acks),
            directory=directory,
            acks=acks,
        )
        try:
            trace = recorder(program)
        except ProgramError as error:
            told = str(error).removeprefix("work: ").strip()
            raise WorkloadError(f"workload: {told}") from error
    return recording_of(trace, tuple(_token(each) for each in trace.tokens))


def _start(initial: Initial | None) -> DiskImage:
    empty = DiskImage.empty()
    inode = empty.next_inode
    nodes = {ROOT_INODE: DirectoryContent({_NAME: inode}), inode: DirectoryContent({})}
    return initial_image(empty.derive(nodes), f"/{_NAME}", initial)


def _work(workload: Workload, directory: SimulatedDirectory, acks: Path) -> None:
    """Be the process: run the workload, and write down what it acknowledges."""
    with acks.open("ab", buffering=0) as file:

        def acknowledge(token: object) -> None:
            file.write(b"ACK " + pickle.dumps(token).hex().encode() + b"\n")

        finished_result("workload", workload(directory, acknowledge))


def _token(line: str) -> object:
    return pickle.loads(bytes.fromhex(line))  # noqa: S301 - written by the process that we started


def _judge(code: CodeUnderTrace, recording: CodeRecording, stack: ExitStack) -> Judge:
    def probing(name: str, probe: Check) -> ImageProbing:
        runs = FunctionRuns(
            probe,
            name,
            recording.directory,
            recording.tokens,
            limit_s=code.check_limit_s,
        )
        return ImageProbing(stack.enter_context(runs))

    if code.check is not None:
        return CheckJudge(probing("check", code.check), recording)
    if code.observe is None:
        return FilesJudge(recording, None)
    shows = code.observe
    return ObserveJudge(probing("observe", lambda directory, _: shows(directory)), recording, None)
