"""``flask taskadmin tasks export`` and ``import``: tasks under version control."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, TextIO

import click
from flask.cli import with_appcontext

from ..jobs import all_jobs
from ..state import get_state
from ..store import clock
from ..store.task_entries import Entry
from ..store.task_files import Plan, apply_import, export_tasks, lock_imports, plan_import
from ..store.transaction import ledger_transaction
from .group import command_line
from .output import as_json
from .yaml_text import LARGEST, read_yaml, write_yaml

_HEAD = """\
# Tasks of taskadmin. Compare: flask taskadmin tasks import FILE --dry-run
"""


@click.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", atomic=True), default="-")
@with_appcontext
def export_command(file: TextIO) -> None:
    """Write all tasks to FILE as YAML, without secrets; by default to the terminal."""
    entries = export_tasks(get_state().session, jobs=all_jobs())
    file.write(_HEAD)
    write_yaml({"tasks": entries}, file)


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--as", "author", metavar="USERNAME", help="Author of new tasks that name none.")
@click.option("--delete-others", is_flag=True, help="Delete the tasks that FILE doesn't have.")
@click.option("--json", "for_programs", is_flag=True, help="Print an object for programs.")
@with_appcontext
def import_command(
    file: BinaryIO, dry_run: bool, author: str | None, delete_others: bool, for_programs: bool
) -> None:
    """Create and change tasks as FILE has them: all of it, or with any problem nothing."""
    state = get_state()
    session = state.session
    length = state.settings.launch_interval_seconds
    document = read_yaml(file.read(LARGEST + 1))
    with ledger_transaction(session):
        lock_imports(session)
        plan = plan_import(
            session,
            document,
            jobs=all_jobs(),
            default_author=author,
            moment=clock.now(session),
            slot_interval_s=length,
        )
        # Before it is done: rows are another matter afterwards.
        told = _told(plan, dry_run=dry_run, delete_others=delete_others)
        if not for_programs:
            _say(plan, delete_others=delete_others)
        if told["done"]:
            apply_import(
                session,
                plan,
                actor=command_line(),
                slot_interval_s=length,
                delete_others=delete_others,
            )
    if for_programs:
        as_json(told)
    elif not plan.problems:
        click.echo(_summary(plan, dry_run=dry_run, delete_others=delete_others))
    if plan.problems:
        raise SystemExit(1)


def _told(plan: Plan, *, dry_run: bool, delete_others: bool) -> dict[str, Any]:
    fine = not plan.problems
    done = fine and not dry_run
    return {
        "done": done,
        "problems": [problem._asdict() for problem in plan.problems],
        "created": [{"name": entry.name, "after": entry.after} for entry in plan.created],
        "changed": [
            {
                "id": entry.task.id if entry.task else None,
                "name": entry.name,
                "before": entry.before,
                "after": entry.after,
            }
            for entry in plan.changed
        ],
        "same": plan.same,
        "others": [{"id": task.id, "name": task.name} for task in plan.others] if fine else [],
        "results_of_others": plan.results_of_others if fine else 0,
        "deleted": [task.id for task in plan.others] if done and delete_others else [],
    }


def _say(plan: Plan, *, delete_others: bool) -> None:
    if plan.problems:
        for problem in plan.problems:
            click.echo(str(problem), err=True)
        number = len(plan.problems)
        counted = "1 problem" if number == 1 else f"{number:,} problems"
        click.echo(f"{counted}; nothing was changed.", err=True)
        return
    for entry in plan.created:
        click.echo(f"+ {_name(entry)}")
        for name, value in entry.after.items():
            if name not in ("name", "paused") or value is True:
                click.echo(f"    {name}: {_value(value)}")
    for entry in plan.changed:
        click.echo(f"~ {_name(entry)}")
        for name in entry.after:
            click.echo(f"    {name}: {_side(entry.before, name)} → {_side(entry.after, name)}")
    for task in plan.others:
        click.echo(f"- {task}" if delete_others else f"? {task} isn't in the file")
    if delete_others and plan.others:
        tasks, results = len(plan.others), plan.results_of_others
        click.echo(
            f"{'1 task' if tasks == 1 else f'{tasks:,} tasks'} to delete, with "
            f"{'1 result' if results == 1 else f'{results:,} results'}."
        )


def _summary(plan: Plan, *, dry_run: bool, delete_others: bool) -> str:
    def counted(number: int, done: str, to_do: str) -> str:
        return f"{number:,} {to_do if dry_run else done}"

    parts = [
        counted(len(plan.created), "created", "to create"),
        counted(len(plan.changed), "changed", "to change"),
        f"{plan.same:,} the same",
    ]
    if delete_others:
        parts.append(counted(len(plan.others), "deleted", "to delete"))
    elif plan.others:
        parts.append(f"{len(plan.others):,} not in the file, left alone")
    return f"{'Nothing was changed: ' if dry_run else ''}{', '.join(parts)}."


def _side(values: Mapping[str, Any], name: str) -> str:
    return _value(values[name]) if values.get(name) is not None else "(none)"


def _value(value: Any) -> str:
    """On one line; texts as they are, where that can't be taken for something else."""
    if isinstance(value, str) and value.isprintable() and value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _name(entry: Entry) -> str:
    return entry.name or (str(entry.task) if entry.task else entry.place)
