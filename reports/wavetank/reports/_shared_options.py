"""Options that several commands have, with one name, one default and one meaning.

Left out: options of one command alone, which stand with it.
"""

from __future__ import annotations

from typing import Final

import click

from wavetank.reports._parameters import worker_count

__all__ = ["format_option", "workers_option"]

workers_option: Final = click.option(
    "--workers",
    default="auto",
    show_default=True,
    metavar="N|auto",
    callback=worker_count,
    help="Processes; auto is one per processor.",
)
"""How many processes work."""

format_option: Final = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints one document on stdout.",
)
"""Text for people, or a document for machines."""
