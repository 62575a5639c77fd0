"""The ``export`` and ``import`` commands of ``flask taskadmin tasks``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import BinaryIO, TextIO

import click
from flask.cli import with_appcontext

from .. import service
from ..jobs import all_jobs
from ..service import Imported
from ..state import get_state
from ..store.tasks.as_code.importing import export_tasks
from ..values.showable import showable
from .group import command_line
from .output import as_json, say
from .yaml_text import MAX_FILE_BYTES, read_yaml, write_yaml

_HEAD = """\
# taskadmin's tasks. To compare: flask taskadmin tasks import FILE --dry-run
"""


@click.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", atomic=True), default="-")
@with_appcontext
def export_command(file: TextIO) -> None:
    """Write all tasks to FILE as YAML, without secrets; by default to standard output."""
    service.note_export(command_line(), "tasks.yaml", {})
    entries = export_tasks(get_state().session, jobs=all_jobs())
    file.write(_HEAD)
    write_yaml({"tasks": entries}, file)


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Show what would change, without changing anything.")
@click.option(
    "--as", "author", metavar="USERNAME", help="Author of new tasks whose entry names none."
)
@click.option("--delete-others", is_flag=True, help="Delete tasks that aren't in FILE.")
@click.option("--json", "for_programs", is_flag=True, help="Print JSON.")
@with_appcontext
def import_command(
    file: BinaryIO, dry_run: bool, author: str | None, delete_others: bool, for_programs: bool
) -> None:
    """Create and update tasks from FILE; if there is any problem, nothing is changed."""
    document = read_yaml(file.read(MAX_FILE_BYTES + 1))
    imported = service.import_tasks(
        document,
        author=author,
        delete_others=delete_others,
        dry_run=dry_run,
        actor=command_line(),
    )
    if for_programs:
        as_json(_told(imported, delete_others=delete_others))
    elif imported.problems:
        _say_problems(imported)
    else:
        _say(imported, delete_others=delete_others)
        say(_summary(imported, dry_run=dry_run, delete_others=delete_others))
    if imported.problems:
        raise SystemExit(1)


def _told(imported: Imported, *, delete_others: bool) -> dict[str, object]:
    fine = not imported.problems
    others = imported.others if fine else []
    return {
        "done": imported.is_done,
        "problems": [problem._asdict() for problem in imported.problems],
        "created": [{"name": task.name, "after": task.after} for task in imported.created],
        "changed": [
            {"id": task.id, "name": task.name, "before": task.before, "after": task.after}
            for task in imported.changed
        ],
        "same": imported.same,
        "others": [{"id": task.id, "name": task.name} for task in others],
        "results_of_others": imported.results_of_others if fine else 0,
        "deleted": [task.id for task in others] if imported.is_done and delete_others else [],
    }


def _say_problems(imported: Imported) -> None:
    for problem in imported.problems:
        say(str(problem), err=True)
    number = len(imported.problems)
    counted = "1 problem" if number == 1 else f"{number:,} problems"
    say(f"{counted}; nothing was changed.", err=True)


def _say(imported: Imported, *, delete_others: bool) -> None:
    for task in imported.created:
        say(f"+ {task.label}")
        for name, value in task.after.items():
            if name not in ("name", "paused") or value is True:
                say(f"    {name}: {_value(value)}")
    for task in imported.changed:
        say(f"~ {task.label}")
        for name in task.after:
            say(f"    {name}: {_side(task.before, name)} → {_side(task.after, name)}")
    for task in imported.others:
        said = f"- {task.label}" if delete_others else f"? {task.label} isn't in the file"
        say(said)
    if delete_others and imported.others:
        tasks, results = len(imported.others), imported.results_of_others
        say(
            f"{'1 task' if tasks == 1 else f'{tasks:,} tasks'} to delete, with "
            f"{'1 result' if results == 1 else f'{results:,} results'}."
        )


def _summary(imported: Imported, *, dry_run: bool, delete_others: bool) -> str:
    def counted(number: int, done: str, to_do: str) -> str:
        return f"{number:,} {to_do if dry_run else done}"

    parts = [
        counted(len(imported.created), "created", "to create"),
        counted(len(imported.changed), "changed", "to change"),
        f"{imported.same:,} unchanged",
    ]
    if delete_others:
        parts.append(counted(len(imported.others), "deleted", "to delete"))
    elif imported.others:
        parts.append(f"{len(imported.others):,} not in the file, kept")
    return f"{'Nothing was changed: ' if dry_run else ''}{', '.join(parts)}."


def _side(values: Mapping[str, object], name: str) -> str:
    return _value(values[name]) if values.get(name) is not None else "(none)"


def _value(value: object) -> str:
    """Return a value on one line; strings are unquoted where that is unambiguous."""
    value = showable(value)
    if isinstance(value, str) and value.isprintable() and value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
