"""A headless Chromium for pages, without a network; and why there is none."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from attrs import define, field

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["OpenedPage", "launched", "missing", "opened"]

_ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing() -> str:
    """Return what is missing to run a Chromium, and how to get it; "" if nothing is."""
    if importlib.util.find_spec("playwright") is None:
        return "needs playwright: python -m pip install -e '.[dev]'"
    if _program() is None:
        return "needs Chromium: apt-get install chromium"
    return ""


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a Chromium, and end it."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it need not be installed

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_program(), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@define
class OpenedPage:
    """A page in a browser.

    Attributes:
        page: of playwright.
        requests: addresses that were asked for, the page's own among them.
        complaints: errors and warnings of the console.
    """

    page: Page
    requests: list[str] = field(factory=list)
    complaints: list[str] = field(factory=list)


@contextmanager
def opened(
    browser: Browser,
    file: Path,
    *,
    fragment: str = "",
    scheme: Literal["dark", "light"] = "light",
    width: int = 1280,
) -> Iterator[OpenedPage]:
    """Open a file without a network, and close it.

    Args:
        browser: a running one.
        file: the page.
        fragment: what stands behind the ``#``.
        scheme: the colours that the user prefers.
        width: of the window in pixels.
    """
    context = browser.new_context(
        offline=True, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    seen = OpenedPage(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(file.as_uri() + (f"#{fragment}" if fragment else ""))
    try:
        yield seen
    finally:
        context.close()
