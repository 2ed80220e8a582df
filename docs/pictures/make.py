"""Make the pictures of the README from a real run: `python docs/pictures/make.py`.

The terminal is an SVG that plays, from what `wavetank run` prints; the page is a screenshot of its
HTML report. Needs `.[dev]` and Chromium (`apt-get install chromium`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

HERE: Final = Path(__file__).parent
COMMAND: Final = (
    *("wavetank", "run", "follower-catchup", "--profile", "sequential"),
    *("--backend", "raftlock-published", "--workers", "1"),
)
STORY: Final = re.compile(
    r"^FAIL follower-catchup-[0-9a-f]+:.*?^Reproduce: \S+ \S+ (\S+)$", re.MULTILINE | re.DOTALL
)
SHOWN_INVARIANT: Final = "O1: "
WIDTH: Final = 104
LINE: Final = 19
SECONDS_PER_LINE: Final = 0.12
PAUSE_S: Final = 8.0
COLOURS: Final = (
    (re.compile(r"^\$ .*"), "#ffffff"),
    (re.compile(r"^FAIL\b.*"), "#ff8a80"),
    (re.compile(r"^  (lost|broken)\b.*"), "#ff8a80"),
    (re.compile(r"^  (cure|promised)\b.*"), "#7bd88f"),
    (re.compile(r"^Reproduce:.*"), "#6cc3e8"),
)


def main() -> None:
    """Run, and write both pictures."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        printed = _run(*COMMAND, directory=directory)
        story = next(each for each in STORY.finditer(printed) if SHOWN_INVARIANT in each[0])
        lines = [f"$ {' '.join(COMMAND)}", *printed.splitlines()[:1], "", *story[0].splitlines()]
        (HERE / "terminal.svg").write_text(_cast(lines), encoding="utf-8")
        page = directory / "page.html"
        page.write_text(_run("wavetank", "show", story[1], "--as", "html", directory=directory))
        _photograph(page, HERE / "finding.webp")


def _run(*arguments: str, directory: Path) -> str:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return done.stdout


def _cast(lines: Sequence[str]) -> str:
    """Return lines of a terminal that come one after the other, again and again."""
    height = len(lines) * LINE + 54
    width = WIDTH * 8 + 32
    total = len(lines) * SECONDS_PER_LINE + PAUSE_S
    rows = []
    for number, line in enumerate(lines):
        colour = next((each for pattern, each in COLOURS if pattern.match(line)), "#d6dade")
        shown = 100 * number * SECONDS_PER_LINE / total
        rows.append(
            f'<text y="{number * LINE + 52}" fill="{colour}" '
            f'style="animation:c{number} {total:.2f}s infinite">{escape(line[:WIDTH])}</text>'
            f"<style>@keyframes c{number}{{0%,{shown:.2f}%{{opacity:0}}"
            f"{shown + 0.01:.2f}%,100%{{opacity:1}}}}</style>"
        )
    dots = "".join(
        f'<circle cx="{18 + 18 * place}" cy="17" r="5.5" fill="{colour}"/>'
        for place, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    still = "@media (prefers-reduced-motion:reduce){text{animation:none!important}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="wavetank run finds a lost vote and says which sync was missing">'
        f"<style>text{{font:13px ui-monospace,Menlo,Consolas,monospace;white-space:pre}}{still}"
        f'</style><rect width="{width}" height="{height}" rx="10" fill="#15181c"/>{dots}'
        f'<g transform="translate(16 0)">{"".join(rows)}</g></svg>\n'
    )


def _photograph(page: Path, picture: Path) -> None:
    """Take a picture of the story and the timeline of a page."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it need not be installed

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--headless", "--no-sandbox", "--disable-gpu"],
        )
        seen = browser.new_page(viewport={"width": 1040, "height": 1240}, color_scheme="light")
        seen.goto(page.as_uri())
        seen.add_style_tag(content=".top{position:static}")
        session = seen.context.new_cdp_session(seen)
        box = seen.locator("article.finding").bounding_box()
        assert box is not None
        cut = seen.locator(".crash-line").first.bounding_box()
        assert cut is not None
        top = box["y"] - 12
        height = cut["y"] + cut["height"] + 12 - top
        clip = {"x": 0, "y": top, "width": 1040, "height": height, "scale": 1}
        shot = session.send(
            "Page.captureScreenshot",
            {"format": "webp", "quality": 80, "clip": clip, "captureBeyondViewport": True},
        )
        picture.write_bytes(b64decode(shot["data"]))
        browser.close()


if __name__ == "__main__":
    main()
