"""A trace of a program that ran on a crash image, as a log that continues that image.

A recorder numbers files, calls and micro-ops anew. The crash of a recovery needs the numbers of the
disk that the recovery started from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import evolve

from wavetank.sim.image import ROOT_INODE, DiskImage
from wavetank.sim.ops import Attribute, Dirent, Mark, Record, Sync
from wavetank.sim.traces.trace import Trace, TraceError

__all__ = ["continued"]


def continued(trace: Trace, image: DiskImage, *, first: int = 0) -> Trace:
    """Return a trace with the inodes of the image that its program ran on.

    New files get the numbers that follow those of the image. Modes, owners and times are left out,
    since an image is laid out without them; so are acknowledgements.

    Args:
        trace: of a program that ran where the image was laid out.
        image: the image; what it has below the trace's directory is what `trace.image` has.
        first: calls and micro-ops are counted from here.

    Raises:
        TraceError: the trace started from something else.
    """
    inodes = _inodes(trace, image)
    new = image.next_inode - trace.image.next_inode

    def moved(inode: int) -> int:
        return inodes[inode] if inode in inodes else inode + new

    is_kept = [not isinstance(each, (Mark, Attribute)) for each in trace.log]
    sites = (evolve(each, position=sum(is_kept[: each.position])) for each in trace.sites)
    log = tuple(_moved(trace.log, moved, first))
    return evolve(trace, image=image, log=log, sites=tuple(sites), tokens=())


def _moved(log: Iterable[Record], moved: Callable[[int], int], first: int) -> Iterator[Record]:
    numbers: dict[int, int] = {}
    for record in log:
        if isinstance(record, (Mark, Attribute)):
            continue
        call = record.call + first
        if isinstance(record, Sync):
            inode = moved(record.inode) if record.inode else 0
            dropped = tuple(numbers[each] for each in record.dropped if each in numbers)
            yield evolve(record, call=call, inode=inode, dropped=dropped)
            continue
        number = numbers[record.number] = first + len(numbers)
        if isinstance(record, Dirent):
            yield evolve(
                record,
                number=number,
                call=call,
                directory=moved(record.directory),
                inode=None if record.inode is None else moved(record.inode),
                subject=moved(record.subject),
                made=None,
                modified_ns=None,
            )
        else:
            yield evolve(
                record, number=number, call=call, inode=moved(record.inode), modified_ns=None
            )


def _inodes(trace: Trace, image: DiskImage) -> Mapping[int, int]:
    """Return the image's inode for each of the trace's."""
    own = {path: inode for path, inode, _ in image.walk()}
    inodes = {ROOT_INODE: ROOT_INODE}
    for path, inode, _ in trace.image.walk():
        if path not in own:
            raise TraceError(f"expected a trace that starts from the image, without {path!r}")
        inodes[inode] = own[path]
    return inodes
