"""``flask taskadmin audit``."""

from __future__ import annotations

import csv
import json
import sys

import click

from ..state import get_state
from ..store.audit import Filter, entries
from .group import Group

_COLUMNS = (
    *("id", "at", "actor_id", "actor", "source", "action"),
    *("subject_kind", "subject_id", "subject", "before", "after"),
)
#: A spreadsheet takes text that begins so for a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.group("audit", cls=Group)
def audit_cli() -> None:
    """Show who did what."""


@audit_cli.command("export")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a JSON object per line.")
def export(as_csv: bool) -> None:
    """Print the audit trail, one entry a line."""
    writer = csv.writer(sys.stdout)
    if as_csv:
        writer.writerow(_COLUMNS)
    for entry in entries(get_state().session, Filter()):
        values = {name: getattr(entry, name) for name in _COLUMNS}
        values["at"] = entry.at.isoformat()
        if not as_csv:
            click.echo(json.dumps(values, ensure_ascii=False))
            continue
        for name in ("before", "after"):
            values[name] = "" if values[name] is None else json.dumps(values[name])
        writer.writerow([_formula_safe(value) for value in values.values()])


def _formula_safe(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
