"""Check the host's SECRET_KEY, and that its migrations don't drop taskadmin's tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table

from ...migrations import VERSION_TABLE
from ...models import Base
from ...state import get_state
from ..finding import Answer, ok, problem, warning

if TYPE_CHECKING:
    from flask import Flask

_FIX = "Migrate(app, db, include_object=taskadmin.include_object)"
_NEW_KEY = "Set it to what this prints: python -c 'import secrets; print(secrets.token_hex())'"
#: Random bytes of the shortest safe key: as many as of a UUID.
_SHORTEST_KEY_BYTES = 16
#: Characters of repetitions such as "xxxxxxxxxxxxxxxx".
_FEWEST_CHARACTERS = 6
_EXAMPLE_WORDS = re.compile(
    r"(change|replace).?(me|this|it)|secret|password|insecure|example|your.?key|for.?tests"
    r"|never.?guess|hard.?to.?guess|^dev(el\w*)?([-_ .]|$)",
    re.IGNORECASE,
)
#: Keys in Flask's documentation.
_PUBLISHED_KEYS = {
    b'_5#y2L"F4Q8z\n\xec]/',
    b"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
}


def secret_key(app: Flask) -> Answer:
    """Check that SECRET_KEY is set, and that nobody can guess it or one of its fallbacks."""
    state = get_state(app)
    if "Accounts" not in state.parts:
        return ok("Not needed: this application has no pages of taskadmin.")
    name, key = "SECRET_KEY", app.secret_key
    if not key and state.has_identity:  # a host may keep its sessions on the server
        name, key = "WTF_CSRF_SECRET_KEY", app.config.get("WTF_CSRF_SECRET_KEY")
    if not key:
        return problem(
            "SECRET_KEY isn't set, so nobody can log in or send a form.", f"SECRET_KEY: {_NEW_KEY}"
        )
    fallbacks = app.config.get("SECRET_KEY_FALLBACKS") or ()
    for named, value in [(name, key), *(("SECRET_KEY_FALLBACKS", one) for one in fallbacks)]:
        if weakness := _weakness(value):
            return warning(
                f"{named} {weakness}: anyone who guesses it can sign cookies and forms.",
                f"{named}: {_NEW_KEY}" if named == name else f"Remove it from {named}.",
            )
    return ok(f"{name} is set, and can't be guessed.")


def _weakness(key: str | bytes) -> str | None:
    raw = key.encode() if isinstance(key, str) else key
    if raw in _PUBLISHED_KEYS or _EXAMPLE_WORDS.search(raw.decode(errors="replace")):
        return "looks like an example"
    if len(raw) < _SHORTEST_KEY_BYTES or len(set(raw)) < _FEWEST_CHARACTERS:
        return "is too short"
    return None


def include_object(app: Flask) -> Answer:
    """Check that the host's Flask-Migrate ignores our tables, by calling its filter."""
    migrate = app.extensions.get("migrate")
    if migrate is None:
        return ok("The application doesn't use Flask-Migrate.")
    arguments: Mapping[str, Any] = getattr(migrate, "configure_args", {})
    try:
        schema = get_state(app).settings.database_schema
        seen = [table.name for table in _tables(schema) if not _is_left_out(table, arguments)]
    except Exception as error:  # noqa: BLE001 - the host's function may raise anything
        return warning(f"Flask-Migrate's filter failed: {type(error).__name__}: {error}", _FIX)
    if not seen:
        return ok("Flask-Migrate ignores taskadmin's tables.")
    environment = _environment(str(getattr(migrate, "directory", "migrations")))
    if "include_object" in environment or "include_name" in environment:
        if "taskadmin" in environment:
            return ok(
                "The env.py of the application's migrations has a filter that mentions taskadmin."
            )
        return warning(
            "The env.py of the application's migrations has a filter, which can't be checked from here.",
            "Make it ignore tables whose names start with taskadmin_, or call"
            " taskadmin.include_object in it.",
        )
    return problem(
        f"The next flask db migrate would drop taskadmin's tables: it sees {seen[0]}"
        + (f" and {len(seen) - 1} more." if len(seen) > 1 else "."),
        _FIX,
    )


def _tables(schema: str | None) -> list[Table]:
    names = [*(table.name for table in Base.metadata.sorted_tables), VERSION_TABLE]
    return [Table(name, MetaData(), schema=schema) for name in names]


def _is_left_out(table: Table, arguments: Mapping[str, Any]) -> bool:
    """Call the filters like Alembic for a table that the host's models don't have."""
    names: Callable[..., Any] | None = arguments.get("include_name")
    parents = {"schema_name": table.schema, "schema_qualified_table_name": table.fullname}
    if names is not None and not names(table.name, "table", parents):
        return True
    objects: Callable[..., Any] | None = arguments.get("include_object")
    return objects is not None and not objects(table, table.name, "table", True, None)


def _environment(directory: str) -> str:
    try:
        return (Path(directory) / "env.py").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not made yet, or somewhere else
        return ""
