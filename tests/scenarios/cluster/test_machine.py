"""A power cut inside a handler lets out what came before it, and leaves a legal image."""

from collections.abc import Sequence
from random import Random

import pytest

from wavetank.engine import FileStorageOptions, LogEntry, PersistentState, SnapshotMetadata
from wavetank.scenarios import BUILTIN, StoreAdapter
from wavetank.scenarios.cluster.machine import Interruption, Machine, StorageLoss
from wavetank.scenarios.cluster.messages import Message, VoteRequest
from wavetank.scenarios.cluster.network import Network, Timeline
from wavetank.scenarios.cluster.plan import ClusterPlan
from wavetank.scenarios.cluster.state_machine import AppliedState
from wavetank.scenarios.mutants.bug_families.bugs import BUGS
from wavetank.sim import POSIX

VOTE = VoteRequest(term=3, last_index=0, last_term=0, is_pre_vote=False)


class Hall:
    """A machine under a watcher that says where the power goes."""

    def __init__(self, backend: StoreAdapter = BUILTIN, number: int = 0) -> None:
        plan = ClusterPlan(loss=0.0, duplication=0.0, delay=0.0)
        self.timeline = Timeline()
        self.network: Network[Message] = Network(self.timeline, plan, Random("network"))
        self.cut: Interruption | None = None
        self.losses: list[StorageLoss] = []
        self.received: list[tuple[str, Message]] = []
        self.ends = 0
        self.machine = Machine(
            "node-a",
            plan=plan,
            backend=backend,
            options=FileStorageOptions(),
            profile=POSIX,
            timeline=self.timeline,
            network=self.network,
            watcher=self,
            random=Random(f"machine {number}"),
        )
        for name in ("node-b", "node-c"):
            self.network.join(name, self._receive)
        self.machine.start()

    def _receive(self, sender: str, message: Message) -> None:
        self.received.append((sender, message))

    def ask_for_vote(self) -> None:
        """Send a request for a vote, and let the answer arrive."""
        self.network.send("node-b", "node-a", VOTE)
        self.timeline.run_until(self.timeline.now_s + 0.05)

    def told(self, who: str, what: str) -> None:
        pass

    def appended(self, node: str, previous_term: int | None, entries: Sequence[LogEntry]) -> None:
        pass

    def elected(
        self, node: str, term: int, snapshot: SnapshotMetadata, log: Sequence[LogEntry]
    ) -> None:
        pass

    def applied(self, node: str, term: int, entry: LogEntry, fingerprint: bytes) -> None:
        pass

    def restored(self, node: str, metadata: SnapshotMetadata, state: AppliedState) -> None:
        pass

    def lost(self, loss: StorageLoss) -> None:
        self.losses.append(loss)

    def cut_at(
        self,
        machine: Machine,  # noqa: ARG002 - the method of a watcher
        began_at: int,  # noqa: ARG002 - the same
    ) -> Interruption | None:
        return self.cut

    def ended(self, machine: Machine) -> None:  # noqa: ARG002 - the same
        self.ends += 1
        self.cut = None


def test_what_was_done_before_the_power_cut_is_let_out_and_nothing_else() -> None:
    whole = Hall()
    begin = len(whole.machine.disk.log)
    whole.ask_for_vote()
    end = len(whole.machine.disk.log)
    assert len(whole.received) == 1
    answered = []
    for position in range(begin, end + 1):
        hall = Hall()
        hall.cut = Interruption(position)
        hall.ask_for_vote()
        assert (hall.ends, hall.machine.node) == (1, None)
        answered.append(len(hall.received))
    assert answered == [0] * (end - begin) + [1]


def test_an_answered_vote_survives_every_power_cut_of_the_engine() -> None:
    for number in range(20):
        hall = Hall(number=number)
        hall.ask_for_vote()
        hall.machine.cut_power()
        hall.machine.start()
        assert hall.losses == []
        assert hall.machine.ledger.promised.state == PersistentState(3, "node-b")


def test_a_lost_vote_is_told_with_what_was_promised_and_what_is_there() -> None:
    losses = []
    for number in range(20):
        hall = Hall(BUGS["S2"].backend, number)
        hall.ask_for_vote()
        hall.machine.cut_power()
        hall.machine.start()
        losses += hall.losses
    assert losses
    for loss in losses:
        assert loss.promised.state == PersistentState(3, "node-b")
        assert loss.shown is not None
        assert loss.shown.state != loss.promised.state
        assert (loss.node, loss.problem.invariant) == ("node-a", "O1")


@pytest.mark.parametrize("how", ["kill", "close"])
def test_a_process_that_ends_loses_nothing(how: str) -> None:
    hall = Hall(BUGS["S2"].backend)
    hall.ask_for_vote()
    getattr(hall.machine, how)()
    assert hall.machine.node is None
    hall.machine.start()
    assert hall.losses == []
    assert hall.machine.ledger.promised.state == PersistentState(3, "node-b")


def test_everything_is_kept_where_a_power_cut_says_so() -> None:
    for number in range(10):
        hall = Hall(BUGS["S2"].backend, number)
        hall.ask_for_vote()
        hall.machine.cut_power(Interruption(len(hall.machine.disk.log), keeps_all=True))
        hall.machine.start()
        assert hall.losses == []


def test_a_machine_that_is_down_hears_nothing() -> None:
    hall = Hall()
    hall.machine.kill()
    hall.ask_for_vote()
    hall.timeline.run_until(5.0)
    assert (hall.received, hall.machine.node) == ([], None)
