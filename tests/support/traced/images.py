"""Images with some files in /data, for checks."""

from wavetank.sim import ROOT_INODE, DirectoryContent, DiskImage, FileContent
from wavetank.sim.image import Node

__all__ = ["data_image"]


def data_image(**files: bytes) -> DiskImage:
    """Return a disk with these files in /data."""
    numbered = {name: inode for inode, name in enumerate(files, ROOT_INODE + 2)}
    nodes: dict[int, Node] = {
        ROOT_INODE: DirectoryContent({"data": ROOT_INODE + 1}),
        ROOT_INODE + 1: DirectoryContent(numbered),
    }
    nodes |= {numbered[name]: FileContent.of(content) for name, content in files.items()}
    return DiskImage.empty().derive(nodes)
