"""Options that several commands have, with one name, one default and one meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from wavetank.reports._parameters import worker_count

__all__ = ["format_option", "workers_option"]

_Command = TypeVar("_Command", bound=Callable[..., object])


def workers_option(command: _Command) -> _Command:
    """Let a command be told how many processes work."""
    return click.option(
        "--workers",
        default="auto",
        show_default=True,
        metavar="N|auto",
        callback=worker_count,
        help="Processes; auto is one per processor.",
    )(command)


def format_option(command: _Command) -> _Command:
    """Let a command answer with text for people, or a document for machines."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json prints one document on stdout.",
    )(command)
