"""Traces as files: compressed JSON, to judge a trace again without the program.

Names that are no UTF-8 keep their bytes as lone surrogates, which JSON writes as escapes.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Final

from attrs import frozen
from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.strategies import configure_tagged_union

from wavetank.sim.image import (
    DirectoryContent,
    DiskImage,
    FileContent,
    LinkContent,
    Node,
)
from wavetank.sim.ops import BLOCK_SIZE, CallSite, Record
from wavetank.sim.traces.trace import Trace, TraceError

__all__ = ["read_trace_file", "trace_file"]

_SCHEMA: Final = "wavetank.trace-file/1"


@frozen(kw_only=True)
class _File:
    size: int
    blocks: tuple[bytes, ...]


@frozen(kw_only=True)
class _Directory:
    entries: dict[str, int]


@frozen(kw_only=True)
class _Link:
    target: str


_Stored = _File | _Directory | _Link


@frozen(kw_only=True)
class _Document:
    """What stands in the file; see `Trace`."""

    schema: str
    directory: str
    nodes: dict[int, _Stored]
    next_inode: int
    log: tuple[Record, ...]
    sites: tuple[CallSite, ...]
    tokens: tuple[str, ...]
    calls: int
    outside: tuple[str, ...]
    rebuilt: tuple[str, ...]
    output: str


def trace_file(trace: Trace) -> bytes:
    """Return a trace as the bytes of a file, equal for equal traces."""
    document = _Document(
        schema=_SCHEMA,
        directory=trace.directory,
        nodes=dict(_nodes(trace.image)),
        next_inode=trace.image.next_inode,
        log=trace.log,
        sites=trace.sites,
        tokens=trace.tokens,
        calls=trace.calls,
        outside=trace.outside,
        rebuilt=trace.rebuilt,
        output=trace.output,
    )
    text = json.dumps(_converter().unstructure(document), separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def read_trace_file(content: bytes) -> Trace:
    """Return the trace that `trace_file` made these bytes of.

    Raises:
        TraceError: they are no such file, or a damaged one.
    """
    try:
        told = json.loads(gzip.decompress(content))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise TraceError(f"expected a file of `wavetank trace --save` but {error}") from error
    found = told.get("schema") if isinstance(told, dict) else None
    if found != _SCHEMA:
        raise TraceError(f"expected a file with the schema {_SCHEMA!r} but got {found!r}")
    try:
        document = _converter().structure(told, _Document)
    except (BaseValidationError, ValueError, KeyError, TypeError) as error:
        raise TraceError(f"expected a whole trace but its file is damaged: {error}") from error
    return Trace(
        directory=document.directory,
        image=_image(document),
        log=document.log,
        sites=document.sites,
        tokens=document.tokens,
        calls=document.calls,
        outside=document.outside,
        rebuilt=document.rebuilt,
        output=document.output,
    )


def _nodes(image: DiskImage) -> Mapping[int, _Stored]:
    found: dict[int, _Stored] = {}
    for inode in range(image.next_inode):
        node = image.node(inode)
        if isinstance(node, FileContent):
            found[inode] = _File(size=node.size, blocks=node.blocks)
        elif isinstance(node, DirectoryContent):
            found[inode] = _Directory(entries=dict(sorted(node.entries.items())))
        elif isinstance(node, LinkContent):
            found[inode] = _Link(target=node.target)
    return found


def _image(document: _Document) -> DiskImage:
    return DiskImage(
        {inode: _node(each) for inode, each in document.nodes.items()},
        next_inode=document.next_inode,
    )


def _node(stored: _Stored) -> Node:
    match stored:
        case _File(size=size, blocks=blocks):
            if any(len(each) > BLOCK_SIZE for each in blocks):
                raise ValueError(f"blocks: expected at most {BLOCK_SIZE} bytes each")
            return FileContent(size, blocks)
        case _Directory(entries=entries):
            return DirectoryContent(entries)
        case _Link(target=target):
            return LinkContent(target)


def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(bytes, lambda data: base64.b85encode(data).decode())
    converter.register_structure_hook(bytes, lambda text, _: base64.b85decode(text))
    configure_tagged_union(Record, converter)
    configure_tagged_union(_Stored, converter)
    return converter
