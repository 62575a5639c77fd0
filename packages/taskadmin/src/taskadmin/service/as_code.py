"""Import tasks from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..jobs import all_jobs
from ..state import get_state
from ..store.database import clock
from ..store.database.transaction import ledger_transaction
from ..store.people.audit import Actor
from ..store.tasks.as_code.entries import FileProblem, TaskEntry
from ..store.tasks.as_code.importing import ImportPlan, apply_import, lock_imports, plan_import
from .tasks import actor_or_application


class ImportedTask(NamedTuple):
    """A task that an import creates, changes or deletes."""

    #: None for a new task.
    id: int | None
    name: str | None
    #: The task's name, or a substitute.
    label: str
    #: Changed values by the file's keys; secrets are masked.
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import or a dry run.

    Attributes:
        is_done: False for a dry run, or if there are problems.
        same: Number of tasks that the file doesn't change.
        others: Tasks that aren't in the file.
        results_of_others: Number of their results.
    """

    is_done: bool
    problems: Sequence[FileProblem]
    created: Sequence[ImportedTask]
    changed: Sequence[ImportedTask]
    same: int
    others: Sequence[ImportedTask]
    results_of_others: int


def import_tasks(
    document: object,
    *,
    author: str | None = None,
    delete_others: bool = False,
    dry_run: bool = False,
    actor: Actor | None = None,
) -> Imported:
    """Create and change tasks as in a file; if there is any problem, nothing is changed.

    Args:
        document: The file's content: ``{"tasks": [...]}``.
        author: Username of the author of new tasks without an author in the file.
        delete_others: Whether to delete tasks that aren't in the file.
        dry_run: Whether to change nothing.
        actor: Named in the audit entries; by default the application.

    Raises:
        EditConflict: If someone changed a task in the meantime.
    """
    session, by = get_state().session, actor_or_application(actor)
    length = get_state().settings.launch_interval_seconds
    with ledger_transaction(session):
        lock_imports(session)
        plan = plan_import(
            session,
            document,
            jobs=all_jobs(),
            default_author=author,
            moment=clock.now(session),
            slot_interval_seconds=length,
        )
        # Before it is applied: deleted tasks can't be read afterwards.
        imported = _imported(plan, is_done=not (plan.problems or dry_run))
        if imported.is_done:
            apply_import(
                session, plan, actor=by, slot_interval_seconds=length, delete_others=delete_others
            )
    return imported


def _imported(plan: ImportPlan, *, is_done: bool) -> Imported:
    return Imported(
        is_done,
        plan.problems,
        [_task(entry) for entry in plan.created],
        [_task(entry) for entry in plan.changed],
        plan.same,
        [ImportedTask(task.id, task.name, str(task), {}, {}) for task in plan.others],
        plan.results_of_others,
    )


def _task(entry: TaskEntry) -> ImportedTask:
    label = entry.name or (str(entry.task) if entry.task else entry.place)
    task_id = entry.task.id if entry.task else None
    return ImportedTask(task_id, entry.name, label, entry.before, entry.after)
