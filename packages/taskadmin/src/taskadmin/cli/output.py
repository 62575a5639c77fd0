"""Output of commands: tables, or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from ..values.showable import showable
from ..values.storable import escaped_text


def say(text: str = "", *, err: bool = False) -> None:
    """Print a line; what would control the terminal is escaped in it."""
    click.echo(escaped_text(text).replace("\r", "\\r"), err=err)


def one_line(value: object) -> str:
    """Return the text of a stored value with line breaks and tabs escaped."""
    text = str(showable(value))
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def as_json(value: object) -> None:
    """Print *value* as JSON; unsupported types become strings."""
    say(json.dumps(showable(value), indent=2, ensure_ascii=False, default=str))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in aligned columns."""
    lines = [
        tuple(head),
        *(tuple("–" if cell is None else one_line(cell) for cell in row) for row in rows),
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(cells).rstrip())
