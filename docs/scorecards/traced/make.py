"""Make the scorecards of traced packages: `python docs/scorecards/traced/make.py [NAME ...]`.

Each program of programs.py is traced under strace, crashed under four profiles, and each of its
syncs is taken out in turn. It needs strace, and the packages in the versions to be scored.
"""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
NAMES: Final = (
    "sqlite3-wal-off",
    "sqlite3-wal-normal",
    "sqlite3-wal-full",
    "sqlite3-delete-normal",
    "sqlite3-delete-full",
    "sqlite3-delete-extra",
    "lmdb",
    "rocksdict",
    "plyvel",
    "diskcache",
    "sqlitedict",
)
NAMES_KEPT: Final = "posix-names-kept.toml"
PROFILES: Final = ("process-kill", "ext4", NAMES_KEPT, "posix")


def command(name: str) -> list[str]:
    """Return the arguments of `wavetank trace` for a program, in this directory."""
    return [
        *("--checker", "persistent", "--check", f"python programs.py check {name}"),
        *(word for profile in PROFILES for word in ("--profile", profile)),
        *("--syncs", "--no-stacks", "--", "python", "programs.py", "run", name, "{dir}", "{acks}"),
    ]


def result(name: str) -> dict[str, Any]:
    """Run `wavetank trace` on a program, and return its document."""
    with tempfile.TemporaryDirectory() as room:
        for file in ("programs.py", NAMES_KEPT):
            Path(room, file).symlink_to(HERE / file)
        words = [sys.executable if word == "python" else word for word in command(name)]
        words = [word.replace("python programs", f"{sys.executable} programs") for word in words]
        done = subprocess.run(
            [sys.executable, "-m", "wavetank", "trace", "--format", "json", *words],
            cwd=room,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{name}: {done.stderr or done.stdout}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def version(name: str) -> str:
    """Return the versions that a program runs with."""
    package = name.partition("-")[0]
    if package == "sqlite3":
        return f"SQLite {sqlite3.sqlite_version}"
    told = f"{package} {importlib.metadata.version(package)}"
    uses_sqlite = package in ("diskcache", "sqlitedict")
    return f"{told} with SQLite {sqlite3.sqlite_version}" if uses_sqlite else told


def page(name: str, found: dict[str, Any]) -> str:
    """Return the scorecard of a program as Markdown."""
    lines = [
        f"# {name}",
        "",
        (
            f"{version(name)}: {verdict(found)}. The program makes {found['acknowledged']} commits "
            f"and acknowledges each; the check looks for all that was acknowledged."
        ),
        "",
        "```sh",
        "cd docs/scorecards/traced",
        f"wavetank trace {shlex.join(command(name))}",
        "```",
        "",
        "| profile | verdict | images | crash points | every image judged | complaints |",
        "|---|---|---|---|---|---|",
    ]
    for each in found["profiles"]:
        kinds = "; ".join(f"{kind['kind']}: {cell(kind['sentence'])}" for kind in each["kinds"])
        judged = "yes" if each["complete"] else "no"
        outcome = f"**{each['outcome']}**" if each["outcome"] == "fail" else each["outcome"]
        lines.append(
            f"| {each['profile']} | {outcome} | {each['images']} | {each['crash_points']} | "
            f"{judged} | {kinds} |"
        )
    for each in found["findings"]:
        lines += [
            "",
            (
                f"- **{each['kind']}** under {each['profile']}: {each['sentence']}. "
                f"{each['why'][0].upper()}{each['why'][1:]}. Cure: {each['cure']}."
            ),
        ]
    if not found["syncs"]:
        lines += ["", "The program makes no sync."]
    else:
        lines += ["", "| sync | of | times | | without it |", "|---|---|---|---|---|"]
    for each in found["syncs"]:
        told = f"{cell(each['complaint'])} ({each['profile']})" if each["complaint"] else ""
        lines.append(
            f"| {each['call']} | {each['path']} | {each['times']} | {each['need']} | {told} |"
        )
    return "\n".join(lines) + "\n"


def verdict(found: dict[str, Any]) -> str:
    """Return under which profiles a program fails."""
    failed = [each["profile"] for each in found["profiles"] if each["outcome"] == "fail"]
    return f"fails under {', '.join(failed)}" if failed else f"{found['verdict']} under all"


def cell(text: str) -> str:
    """Return a text that can stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Make the scorecards that are named, or all."""
    for name in sys.argv[1:] or NAMES:
        (HERE / f"{name}.md").write_text(page(name, result(name)), encoding="utf-8")
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
