"""Work that ends the process that does it, once, as the kernel does: for workers of a run.

A file that does not exist is the flag; the process that makes it is the one that ends.
"""

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from attrs import frozen

from wavetank.scenarios import Share

__all__ = ["KillsOnce", "KillsOnePool"]

P = ParamSpec("P")
T = TypeVar("T")


@frozen
class KillsOnce:
    """Calls a function, but kills the process at the first call for a part of a unit.

    Args:
        flag: the file.
        function: what is called.
    """

    flag: str
    function: Callable[..., object]

    def __call__(self, share: Share, *arguments: object) -> object:
        if share.positions is not None:
            try:
                os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.function(share, *arguments)


class KillsOnePool(ProcessPoolExecutor):
    """A pool of one new process, which is killed once."""

    def __init__(self, flag: str) -> None:
        super().__init__(1, mp_context=get_context("spawn"))
        self._flag = flag

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        killing: Callable[P, T] = KillsOnce(self._flag, fn)  # type: ignore[assignment]
        return super().submit(killing, *args, **kwargs)
