"""A run is linear in its steps, and what is wrong in a long log is found all the same."""

from functools import partial

import pytest
from counting import calls_made

from wavetank.engine import CancelToken, FileStorage, FileStorageOptions, LogEntry, StorageConfig
from wavetank.scenarios import BUILTIN, Append, OpenStore, Site, StoreAdapter, Workload, record


def appends(count: int) -> Workload:
    entries = [LogEntry(index, 1, b"x" * 20) for index in range(1, count + 1)]
    return Workload(
        name="appends",
        seed=0,
        steps=(OpenStore(), *(Append((entry,)) for entry in entries)),
        options=FileStorageOptions(retained_log_size=0),
    )


class _Store(FileStorage):
    """Shows other bytes in one entry once the log is long."""

    wrong_from = 1 << 30
    ranges_are_wrong = False

    def get_log_entry(
        self, index: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> LogEntry:
        return self._shown(super().get_log_entry(index, timeout=timeout, cancel=cancel))

    def get_log_entries(
        self,
        start: int,
        end: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> list[LogEntry]:
        found = super().get_log_entries(start, end, timeout=timeout, cancel=cancel)
        return [self._shown(entry) for entry in found] if self.ranges_are_wrong else found

    def _shown(self, entry: LogEntry) -> LogEntry:
        is_wrong = entry.index == 9 and self.last_log_index >= self.wrong_from
        return LogEntry(9, entry.term, b"other") if is_wrong else entry


def backend(kind: type[_Store]) -> StoreAdapter:
    def opened(site: Site) -> FileStorage:
        config = StorageConfig(directory=site.directory)
        return kind(config, site.options, fs=site.fs, runtime=site.runtime)

    return StoreAdapter(name="tried", factory=opened, capabilities=BUILTIN.capabilities)


@pytest.mark.slow
def test_a_step_costs_the_same_in_a_long_run() -> None:
    def run(count: int) -> None:
        recording = record(appends(count), backend(_Store))
        assert (recording.steps_run, recording.problems) == (count + 1, ())

    calls = [calls_made(partial(run, count)) for count in (40, 55, 110, 125)]
    assert calls[3] - calls[2] <= 1.05 * (calls[1] - calls[0])


@pytest.mark.parametrize("ranges_are_wrong", [False, True])
@pytest.mark.parametrize("wrong_from", [60, 100])
def test_an_old_entry_that_changes_is_found(
    wrong_from: int,
    ranges_are_wrong: bool,  # noqa: FBT001 - two ways to be wrong
) -> None:
    class Wrong(_Store):
        pass

    Wrong.wrong_from, Wrong.ranges_are_wrong = wrong_from, ranges_are_wrong
    found = record(appends(100), backend(Wrong)).problems
    kinds = {problem.problem.kind for problem in found}
    expected = "acknowledged entry altered" if ranges_are_wrong else "point read against range read"
    assert expected in kinds
    # Each step reads 16 of the older entries, in turn; the last one reads all.
    assert wrong_from <= found[0].step <= min(100, wrong_from + 5)
