"""luigi: the scheduler's state is cut off before it is written anew."""

import pickle
from types import SimpleNamespace

from defect import Ack, Defect, main, write_durably
from luigi.scheduler import SimpleTaskState

NAMES = ("one", "two", "three")


def workload(directory: str, ack: Ack) -> None:
    """Save the state of the scheduler after each task."""
    state = SimpleTaskState(f"{directory}/state.pickle")
    tasks = {}
    for name in NAMES:
        tasks[name] = SimpleNamespace(id=name, status="DONE")
        state.set_state((tasks, {}, {}))
        state.dump()
        ack(name)


def check(directory: str, acked: list[object]) -> str | None:
    """Start the scheduler again."""
    state = SimpleTaskState(f"{directory}/state.pickle")
    state.load()
    missing = [each for each in acked if each not in [task.id for task in state.get_active_tasks()]]
    return f"missing tasks: {missing}" if missing else None


def cure() -> None:
    """Write a new file, sync it, rename it over the old state, and sync the directory."""

    def dump(self: SimpleTaskState) -> None:
        write_durably(self._state_path, pickle.dumps(self.get_state()))

    SimpleTaskState.dump = dump


if __name__ == "__main__":
    main(
        Defect(
            package="luigi",
            version="3.8.1",
            lost="the scheduler starts with no tasks after a kill while its state was saved",
            seen="missing tasks: ['one'",
            workload=workload,
            check=check,
            cure=cure,
            killed_in=("luigi/scheduler.py",),
        )
    )
