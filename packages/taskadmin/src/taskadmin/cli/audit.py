"""The ``flask taskadmin audit`` commands."""

from __future__ import annotations

import csv
import json
import sys

import click

from .. import service
from ..state import get_state
from ..store.people.audit import AUDIT_COLUMNS, Filter, entries
from ..values.cells import cell, plain
from .group import Group, command_line
from .output import say


@click.group("audit", cls=Group)
def audit_cli() -> None:
    """Export the audit trail."""


@audit_cli.command("export")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of JSON lines.")
def export(as_csv: bool) -> None:
    """Print the audit trail, one entry per line."""
    service.note_export(command_line(), "audit.csv" if as_csv else "audit.jsonl", {})
    writer = csv.writer(sys.stdout)
    if as_csv:
        writer.writerow(AUDIT_COLUMNS)
    for entry in entries(get_state().session, Filter()):
        values = {name: getattr(entry, name) for name in AUDIT_COLUMNS}
        if as_csv:
            writer.writerow(map(cell, values.values()))
        else:
            say(json.dumps(values, ensure_ascii=False, default=plain))
