"""The check that a person asked for, as a value, and as processes that look at images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from attrs import frozen

from wavetank.scenarios.traced import (
    CheckCommand,
    CommandError,
    CommandRuns,
    ImageCheck,
    ImageProbing,
    PersistentCheck,
    RecoveredCheck,
    TracedRecoveries,
    recorder_named,
)

__all__ = ["AskedCheck"]


@frozen(kw_only=True)
class AskedCheck:
    """What looks at an image; see `wavetank trace --help`.

    Attributes:
        command: of ``--check`` or ``--observe``.
        is_observed: whether it is the latter.
        is_persistent: whether it is started once per worker.
        recover: of ``--recover``; "" if the check recovers by itself.
        limit_s: real seconds that one look may take.
        recorder: of ``--recorder``, which sees what recoveries do.
        rebuilt: of ``--rebuilt``.
        with_stacks: whether source lines are recorded.
    """

    command: str
    is_observed: bool = False
    is_persistent: bool = False
    recover: str = ""
    limit_s: float = 60.0
    recorder: str = "strace"
    rebuilt: tuple[str, ...] = ()
    with_stacks: bool = True

    def recovery(self) -> CheckCommand:
        """Return the command that recovers: the check itself if there is no other.

        Raises:
            CommandError: it cannot be run.
        """
        if self.recover:
            for place in ("{acked}", "{count}"):
                if place in self.recover:
                    raise CommandError(
                        f"expected {{dir}} alone but got {place} in {self.recover!r}: a recovery "
                        f"does not know what was acknowledged"
                    )
            return CheckCommand.of(self.recover, name="recovery")
        return CheckCommand.of(self.command, is_observed=self.is_observed)

    def require_runnable(self) -> None:
        """Accept commands that can be run.

        Raises:
            CommandError: one of them cannot.
        """
        self._looks()

    @contextmanager
    def probing(
        self, directory: str, tokens: Sequence[str], workers: int
    ) -> Iterator[ImageProbing]:
        """Give what runs the check on images.

        Args:
            directory: the directory on the simulated disk, such as ``/data``.
            tokens: all that was acknowledged, in order.
            workers: how many run at once.

        Raises:
            CommandError: a command cannot be run.
        """
        with ExitStack() as stack:
            check = self._looks()
            if isinstance(check, PersistentCheck):
                stack.enter_context(check)
            looks: ImageCheck = RecoveredCheck(self.recovery(), check) if self.recover else check
            runs = CommandRuns(looks, directory, tokens, limit_s=self.limit_s, workers=workers)
            yield ImageProbing(stack.enter_context(runs))

    def recoveries(self, directory: str) -> TracedRecoveries:
        """Return what runs the recovery on images under the recorder.

        Args:
            directory: the directory on the simulated disk.

        Raises:
            CommandError: the command cannot be run.
        """
        return TracedRecoveries(
            self.recovery(),
            directory,
            recorder=recorder_named(self.recorder, stacks=False),
            located=recorder_named(self.recorder, stacks=self.with_stacks),
            rebuilt=self.rebuilt,
            limit_s=self.limit_s,
        )

    def _looks(self) -> CheckCommand | PersistentCheck:
        if self.recover:
            self.recovery()
        kind = PersistentCheck if self.is_persistent else CheckCommand
        return kind.of(self.command, is_observed=self.is_observed)
