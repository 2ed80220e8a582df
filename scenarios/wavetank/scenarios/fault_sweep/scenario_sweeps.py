"""Both sweeps of failing operations over scenarios of the catalogue, here or in other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from types import MappingProxyType
from typing import Final

from attrs import frozen

from wavetank.scenarios.catalogue import SCENARIOS
from wavetank.scenarios.fault_sweep.operation_faults import OperationProblem, OperationSweep
from wavetank.scenarios.fault_sweep.recovery_sweep import sweep_recoveries
from wavetank.scenarios.fault_sweep.workload_sweep import shorten, sweep_operations
from wavetank.scenarios.stores.registry import BUILTIN

__all__ = ["SweptScenario", "sweep_scenarios"]

_WORKLOAD: Final = "workload"
_RECOVERIES: Final = "recoveries"
_PARTS: Final[Mapping[str, Callable[..., OperationSweep]]] = MappingProxyType(
    # What takes longest comes first, so that processes end together.
    {_RECOVERIES: sweep_recoveries, _WORKLOAD: sweep_operations}
)


@frozen(kw_only=True)
class SweptScenario:
    """What came of one scenario.

    Attributes:
        name: of the scenario.
        workload: of the operations of its steps.
        recoveries: of those of its recoveries from power cuts.
    """

    name: str
    workload: OperationSweep
    recoveries: OperationSweep

    @property
    def problems(self) -> tuple[OperationProblem, ...]:
        """What was wrong."""
        return (*self.workload.problems, *self.recoveries.problems)


def sweep_scenarios(
    names: Sequence[str] = tuple(SCENARIOS),
    *,
    seed: int = 0,
    operations: int = 150,
    executor: Executor | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> tuple[SweptScenario, ...]:
    """Let each operation of the engine fail, in scenarios and in recoveries from power cuts.

    Args:
        names: of scenarios.
        seed: of their workloads.
        operations: workloads are cut off before the step that would need more.
        executor: where the work runs; None runs it here.
        on_progress: told what is done, how much of it, and of how much.

    Raises:
        KeyError: there is no such scenario.
        ValueError: `operations` are fewer than opening the store takes.
    """
    units = [(name, part, seed, operations) for part in _PARTS for name in names]
    for name in names:
        SCENARIOS[name]
    done: dict[tuple[str, str], OperationSweep] = {}
    for (name, part, *_), sweep in zip(units, _run(executor, units), strict=True):
        done[name, part] = sweep
        if on_progress is not None:
            on_progress("scenarios and their recoveries", len(done), len(units))
    return tuple(
        SweptScenario(name=name, workload=done[name, _WORKLOAD], recoveries=done[name, _RECOVERIES])
        for name in names
    )


def _run(
    executor: Executor | None, units: Sequence[tuple[str, str, int, int]]
) -> Iterator[OperationSweep]:
    if executor is None:
        return (_sweep(*unit) for unit in units)
    futures = [executor.submit(_sweep, *unit) for unit in units]
    return (future.result() for future in futures)


def _sweep(name: str, part: str, seed: int, operations: int) -> OperationSweep:
    workload = shorten(SCENARIOS[name].workload(seed), BUILTIN, operations)
    return _PARTS[part](workload, BUILTIN)
