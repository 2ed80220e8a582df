"""The door to what draws results as pages: looked up by name when a page is asked for.

Results live here and pages in `wavetank.reports`, which this layer may not import. So `reports`
registers what draws a page as an entry point of the group ``wavetank.pages``.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

__all__ = ["PagesMissingError", "drawn_page"]

_GROUP: Final = "wavetank.pages"


class PagesMissingError(RuntimeError):
    """Nothing is installed that draws such a page."""


def drawn_page(kind: str, result: object) -> str:
    """Return a result as HTML.

    Args:
        kind: name of the entry point, such as ``crash_test``.
        result: what that draws.

    Raises:
        PagesMissingError: no such entry point is installed.
    """
    for point in entry_points(group=_GROUP, name=kind):
        draw = point.load()
        return str(draw(result))
    raise PagesMissingError(
        f"expected something installed that draws a page of {kind!r} "
        f"(entry points {_GROUP!r}, which wavetank.reports brings), found nothing"
    )
