"""The page that a command writes for ``--report html=FILE``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wavetank.reports.page.blocks import Page

__all__ = ["typed_command", "write_html"]


def typed_command() -> str:
    """Return the command line as it was typed, for a shell; "" where nothing was typed."""
    typed = click.get_current_context().find_root().obj
    return typed if isinstance(typed, str) else ""


def write_html(reports: Mapping[str, Path], make: Callable[[], Page]) -> None:
    """Write a page if one was asked for, and say where it is.

    Args:
        reports: files by kind, as the option ``--report`` gives them.
        make: called only if there is a file for ``html``.

    Raises:
        click.FileError: it cannot be written.
    """
    path = reports.get("html")
    if path is None:
        return
    from wavetank.reports.page.rendering import write_page

    try:
        write_page(make(), path)
    except OSError as error:
        raise click.FileError(str(path), hint=str(error)) from error
    click.echo(f"HTML report: {path}", err=True)
