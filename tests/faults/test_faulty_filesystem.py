"""Every operation fails as its line says, over a simulated filesystem and a real one."""

import errno
import re
from collections.abc import Callable
from typing import Final

import pytest
from fault_site import FaultSite, Ground, fails_with

from wavetank.engine import File
from wavetank.faults import (
    OPERATIONS,
)

CALLS: Final[dict[str, Callable[[FaultSite, File], object]]] = {
    "pread": lambda _, file: file.pread(4, 0),
    "pwrite": lambda _, file: file.pwrite(b"ab", 0),
    "append": lambda _, file: file.append(b"ab"),
    "truncate": lambda _, file: file.truncate(3),
    "size": lambda _, file: file.size(),
    "fsync": lambda _, file: file.fsync(),
    "datasync": lambda _, file: file.datasync(),
    "preallocate": lambda _, file: file.preallocate(0, 100),
    "advise_dont_need": lambda _, file: file.advise_dont_need(),
    "lock": lambda _, file: file.lock(),
    "close": lambda _, file: file.close(),
    "open": lambda site, _: site.open("new"),
    "rename": lambda site, _: site.fs.rename(site.path("f"), site.path("g")),
    "unlink": lambda site, _: site.fs.unlink(site.path("f")),
    "link": lambda site, _: site.fs.link(site.path("f"), site.path("g")),
    "mkdir": lambda site, _: site.fs.mkdir(site.path("new")),
    "rmdir": lambda site, _: site.fs.rmdir(site.path("sub")),
    "listdir": lambda site, _: site.fs.listdir(site.directory),
    "stat": lambda site, _: site.fs.stat(site.path("f")),
    "fsync_dir": lambda site, _: site.fs.fsync_dir(site.directory),
}


EFFECTS: Final = {
    "pwrite": (b"ab234567", ["f", "sub"]),
    "append": (b"01234567ab", ["f", "sub"]),
    "truncate": (b"012", ["f", "sub"]),
    "preallocate": (b"01234567" + bytes(92), ["f", "sub"]),
    "open": (b"01234567", ["f", "new", "sub"]),
    "rename": (None, ["g", "sub"]),
    "unlink": (None, ["sub"]),
    "link": (b"01234567", ["f", "g", "sub"]),
    "mkdir": (b"01234567", ["f", "new", "sub"]),
    "rmdir": (b"01234567", ["f"]),
}


"""What the file holds and which names there are after a call; of others, as before."""


def words_of(method: str) -> str:
    return next(each.kind.value for each in OPERATIONS if each.method == method)


def state_of(site: FaultSite) -> tuple[bytes | None, list[str]]:
    names = site.names()
    return site.content() if "f" in names else None, names


@pytest.mark.parametrize("method", [each.method for each in OPERATIONS])
def test_an_operation_fails_before_its_effect_and_after_it(ground: Ground, method: str) -> None:
    kind = words_of(method)
    # The file is open before the faults begin, which is why `open` counts from its second match.
    first = 2 if method == "open" else 1
    site = FaultSite(
        ground, f"{kind} #{first}: fail EIO\n{kind} #{first}: fail EACCES after effect"
    )
    file = site.open()
    before = state_of(site)
    with pytest.raises(OSError, match=re.escape(site.directory)) as caught:
        CALLS[method](site, file)
    assert (caught.value.errno, state_of(site), site.fired) == (errno.EIO, before, [1, 0])
    if method == "close":
        file = site.open()
    with pytest.raises(OSError, match=re.escape(site.directory)) as caught:
        CALLS[method](site, file)
    assert caught.value.errno == errno.EACCES
    assert (state_of(site), site.fired) == (EFFECTS.get(method, before), [1, 1])


def test_a_descriptor_is_given_back_whatever_close_reports(ground: Ground) -> None:
    site = FaultSite(ground, "close: fail EIO")
    file = site.open()
    file.lock()
    with pytest.raises(OSError, match="f"):
        file.close()
    file.close()
    again = site.open()
    again.lock()
    with pytest.raises(OSError, match=f"Errno {errno.EBADF}"):
        file.size()
    assert site.fired == [1]


@pytest.mark.idle_faults("any: fail EIO")
def test_no_fault_is_spent_on_a_closed_file(ground: Ground) -> None:
    site = FaultSite(ground, "any: fail EIO")
    site.injector.lifted = True
    file = site.open()
    file.close()
    site.injector.lifted = False
    for call in (file.fsync, file.size, lambda: file.pwrite(b"a", 0), lambda: file.pread(1, 0)):
        with fails_with(errno.EBADF):
            call()
    assert site.fired == [0]
