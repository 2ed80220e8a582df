"""PySyncObj's journal under the suite, and a PySyncObj cluster on the engine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import examples
from pysyncobj.journal import FileJournal, Journal

from wavetank.scenarios.conformance import Outcome, check_backend, find_store
from wavetank.scenarios.stores.pysyncobj.journal import EngineJournal

NODE = Path(__file__).parents[3] / "support" / "pysyncobj_node.py"


def test_without_crashes_the_file_journal_does_what_it_declares() -> None:
    card = check_backend(find_store("pysyncobj"), checks=["basics", "truncate"])
    outcomes = [result.outcome for result in card.results]
    assert Outcome.FAIL not in outcomes
    assert Outcome.PASS in outcomes


# The checks of crashes under all profiles; docs/scorecards holds what they say.
@pytest.mark.minutes
def test_the_suite_finds_what_is_wrong_with_the_file_journal() -> None:
    card = check_backend(
        find_store("pysyncobj"), checks=["basics", "truncate", "crash"], max_images=300
    )
    failed = {result.id: result.reason for result in card.results if result.outcome is Outcome.FAIL}
    # Killed inside deleteEntriesTo: the entries that it kept are gone.
    assert "under process-kill: acknowledged entry lost" in failed["crash.acked_survives"]
    assert "truncate prefix" in failed["crash.acked_survives"]
    # Term and vote are put in place by a rename of what was never synced.
    assert "journal.meta.tmp needed a sync" in failed["crash.term_vote_never_regress"]
    # Killed before its header was written, it never opens again.
    assert "cannot mmap an empty file" in failed["crash.creation_crash_reopens"]
    assert "under process-kill" in failed["crash.creation_crash_reopens"]
    assert not {name for name in failed if name.startswith(("basics.", "truncate."))}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 2)),
        st.tuples(st.just("from"), st.integers(0, 6)),
        st.tuples(st.just("to"), st.integers(0, 6)),
        st.tuples(st.just("clear"), st.integers(1, 9)),
        st.tuples(st.just("vote"), st.integers(0, 1)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    max_size=25,
)


class Pair:
    """PySyncObj's journal and ours, told the same."""

    def __init__(self, directory: Path) -> None:
        self.theirs = FileJournal(str(directory / "theirs"))
        self.directory = str(directory / "ours")
        self.ours = EngineJournal(self.directory)
        self.index = self.log_term = 1

    def add(self, more_terms: int) -> None:
        self.log_term += more_terms
        for journal in (self.theirs, self.ours):
            journal.add(b"entry %d" % self.index, self.index, self.log_term)
        self.index += 1

    def remove_from(self, position: int) -> None:
        for journal in (self.theirs, self.ours):
            journal.deleteEntriesFrom(min(position, len(self.theirs)))
        self.index = self.theirs[-1][1] + 1 if len(self.theirs) else self.index

    def remove_to(self, position: int) -> None:
        # PySyncObj never removes everything at the front.
        position = min(position, max(0, len(self.theirs) - 1))
        for journal in (self.theirs, self.ours):
            journal.deleteEntriesTo(position)

    def clear(self, ahead: int) -> None:
        for journal in (self.theirs, self.ours):
            journal.clear()
        self.index += ahead

    def vote(self, candidate: int) -> None:
        for journal in (self.theirs, self.ours):
            journal.setCurrentTerm(self.ours.getCurrentTerm() + 1, [None, "node-a"][candidate])

    def reopen(self, _: int) -> None:
        self.ours._destroy()
        self.ours = EngineJournal(self.directory)

    def shown(self, journal: Journal) -> tuple[object, ...]:
        rows = [(bytes(command), index, term) for command, index, term in journal[:]]
        return rows, len(journal), journal.getCurrentTerm(), journal.getVotedForNodeId()


@examples(60)
@given(steps=STEPS)
def test_the_engines_journal_does_what_pysyncobjs_own_does(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    pair = Pair(tmp_path_factory.mktemp("journal"))
    rules = {"add": pair.add, "from": pair.remove_from, "to": pair.remove_to}
    rules |= {"clear": pair.clear, "vote": pair.vote, "reopen": pair.reopen}
    for kind, number in steps:
        rules[kind](number)
        assert pair.shown(pair.ours) == pair.shown(pair.theirs)
    pair.ours._destroy()
    pair.theirs._destroy()


class Node:
    """A process of the cluster."""

    def __init__(self, own: str, partners: list[str], directory: Path) -> None:
        self.arguments = [sys.executable, str(NODE), own, ",".join(partners), str(directory)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def keys(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self.ask("keys"))
        return found

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Node]]:
    sockets = [socket.socket() for _ in range(3)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    nodes = [
        Node(own, [other for other in addresses if other != own], tmp_path / str(number))
        for number, own in enumerate(addresses)
    ]
    yield nodes
    for node in nodes:
        node.kill()


def wait_for(keys: set[str], node: Node, *, tries: int = 300) -> None:
    """Wait until a node has applied these keys; it asks others for them while it runs."""
    for _ in range(tries):
        if keys <= node.keys().keys():
            return
        time.sleep(0.1)
    missing = keys - node.keys().keys()
    raise AssertionError(f"acknowledged and lost: {sorted(missing)}")


def put(node: Node, key: str, acknowledged: set[str]) -> None:
    if node.ask(f"put {key}") == f"ok {key}":
        acknowledged.add(key)


@pytest.mark.minutes
def test_a_cluster_on_the_engine_loses_nothing_however_often_nodes_are_killed(
    cluster: list[Node],
) -> None:
    acknowledged: set[str] = set()
    for turn in range(9):
        victim = cluster[turn % 3]
        witness = cluster[(turn + 1) % 3]
        for number in range(4):
            put(witness, f"{turn}-{number}", acknowledged)
        victim.kill()
        for number in range(4):
            put(witness, f"{turn}-down-{number}", acknowledged)
        victim.start()
        wait_for(acknowledged, victim)
    assert len(acknowledged) >= 60
    # All at once: what comes back now comes out of the stores alone.
    for node in cluster:
        node.kill()
    for node in cluster:
        node.start()
    put(cluster[0], "after", acknowledged)
    for node in cluster:
        wait_for(acknowledged, node)
