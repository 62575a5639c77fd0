"""Pages and commands change data only through ``taskadmin.service``."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.dialects import postgresql, sqlite

from taskadmin.store.database import transaction
from taskadmin.store.launches import slots
from taskadmin.store.people import users
from taskadmin.store.runs import results
from taskadmin.store.tasks import pauses, tasks

STORE = "taskadmin.store."
#: Calls that mark a function as changing data, directly or indirectly.
CHANGES: list[Any] = [
    *(sqlalchemy.insert, sqlalchemy.update, sqlalchemy.delete),
    *(postgresql.insert, sqlite.insert),
    *(transaction.ledger_transaction, transaction.single_statement),
]

LAYERS = (
    *(
        "taskadmin.admin",
        "taskadmin.accounts",
        "taskadmin.cli",
        "taskadmin.health",
        "taskadmin.notifications",
        "taskadmin.web",
    ),
    "taskadmin_site",
)
EXCEPTIONS = {
    # Writes to a temporary table, to check that the database accepts writes.
    "taskadmin.health.checks.storage: taskadmin.store.database.capacity.try_to_write",
    # Commit privileges on tables, not rows.
    "taskadmin.cli.__init__: session.commit",
    "taskadmin_site.migrate: session.commit",
}


def sources(layer: str) -> Iterator[tuple[str, ast.Module]]:
    """Every module of a layer, by its name. They aren't imported: some start the site."""
    folder = Path(str(importlib.util.find_spec(layer).origin)).parent  # type: ignore[union-attr]
    for path in sorted(folder.rglob("*.py")):
        parts = [layer, *path.relative_to(folder).with_suffix("").parts]
        yield ".".join(parts), ast.parse(path.read_text(encoding="utf-8"))


def names_in(code: CodeType) -> Iterator[str]:
    """Return globals and attributes that a function uses, also in inner functions."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def changes(function: FunctionType, seen: frozenset[FunctionType] = frozenset()) -> bool:
    """Return whether a function of the store can change rows."""
    names = set(names_in(inspect.unwrap(function).__code__))
    used = [function.__globals__[name] for name in names & function.__globals__.keys()]
    used += [
        getattr(module, name)
        for module in used
        if isinstance(module, ModuleType) and module.__name__.startswith(STORE)
        for name in names & vars(module).keys()
    ]
    if "commit" in names or any(one in CHANGES for one in used if callable(one)):
        return True
    return any(
        changes(one, seen | {function})
        for one in used
        if isinstance(one, FunctionType) and one.__module__.startswith(STORE) and one not in seen
    )


def imported_of_store(name: str, tree: ast.Module) -> dict[str, object]:
    """Return a module's imports from the store, by their names in the module."""
    found: dict[str, object] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        package = name.split(".")[: -node.level or None]
        origin = ".".join([*(package if node.level else ()), *filter(None, [node.module])])
        if f"{origin}.".startswith(STORE):
            for one in node.names:
                if importlib.util.find_spec(origin).submodule_search_locations:  # type: ignore[union-attr]
                    found[one.asname or one.name] = importlib.import_module(f"{origin}.{one.name}")
                else:
                    module = importlib.import_module(origin)
                    found[one.asname or one.name] = getattr(module, one.name)
    return found


def used_of_store(name: str, tree: ast.Module) -> set[FunctionType]:
    """Return functions of the store that a module uses, by name or through modules."""
    imported = imported_of_store(name, tree)
    used: list[object] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            used.append(imported.get(node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = imported.get(node.value.id)
            used.append(getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None)
    used += [method for one in used if isinstance(one, type) for method in vars(one).values()]
    return {
        one for one in used if isinstance(one, FunctionType) and one.__module__.startswith(STORE)
    }


def changes_of_its_own(tree: ast.Module) -> set[str]:
    """Return a module's own uses of a session that can change rows."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("session", "database", "db")
        and node.attr in ("add", "add_all", "commit", "delete", "flush", "merge")
    } | {
        one.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for one in node.names
        if one.name in ("insert", "update", "delete")
    }


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (users.find_user, False),
        (users.set_preferences, True),
        (users.create_user, True),
        (tasks.find_task, False),
        (tasks.delete_tasks, True),
        (pauses.pauses_of, False),
        (pauses.pause_tasks, True),
        (results.find_run, False),
        (slots.open_slot, True),
    ],
)
def test_functions_that_write_are_recognized(function: FunctionType, expected: bool) -> None:
    """So that the check below works."""
    assert changes(function) is expected


@pytest.mark.parametrize(
    "source",
    [
        "from ..store.tasks import tasks\ntasks.delete_tasks(session, [1])",
        "def late():\n    from taskadmin.store.tasks.tasks import delete_tasks as d\n    d(session, [1])",
    ],
    ids=["by its module", "by another name"],
)
def test_a_page_that_calls_the_store_is_found(source: str) -> None:
    """With any form of import."""
    assert used_of_store("taskadmin.web.page", ast.parse(source)) == {tasks.delete_tasks}


@pytest.mark.parametrize("source", ["session.add(row)", "from sqlalchemy import update"])
def test_a_page_that_writes_itself_is_found(source: str) -> None:
    """With the session or with a statement."""
    assert changes_of_its_own(ast.parse(source))


@pytest.mark.parametrize("layer", LAYERS)
def test_only_the_service_changes_anything(layer: str) -> None:
    """These layers only call functions of the store that read."""
    changing = {
        f"{name}: {function.__module__}.{function.__qualname__}"
        for name, tree in sources(layer)
        for function in used_of_store(name, tree)
        if changes(function)
    } | {f"{name}: {what}" for name, tree in sources(layer) for what in changes_of_its_own(tree)}
    assert changing == {one for one in EXCEPTIONS if one.startswith(f"{layer}.")}
