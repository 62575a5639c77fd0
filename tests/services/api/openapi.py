"""The API's document: write docs/openapi.json, and say what changed incompatibly.

``python tests/services/api/openapi.py`` writes it, unless a program that uses the API could break;
``--incompatible`` writes it all the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[3] / "packages" / "taskadmin" / "docs" / "openapi.json"
Document = dict[str, Any]


def current() -> Document:
    """Return the document of this code."""
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from taskadmin import TaskAdmin
    from taskadmin.api import Api

    app = Flask("document")
    app.config.update(
        SECRET_KEY="x",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        CELERY={"broker_url": "memory://", "result_backend": "disabled://"},
    )
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    Api().init_app(app)
    answer = app.test_client().get("/taskadmin/api/v1/openapi.json")
    found: Document = json.loads(answer.text)
    return found


def checked_in() -> Document:
    """Return the document in the repository."""
    found: Document = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def incompatible(old: Document, new: Document) -> list[str]:
    """Return the changes that could break a program which uses the API as in *old*."""
    return list(dict.fromkeys(_changes(old, new)))


def _changes(old: Document, new: Document) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method, before in methods.items():
            place = f"{method.upper()} {path}"
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{place} is gone"
                continue
            yield from _of_parameters(place, before, after, old, new)
            yield from _of_body(
                place, before.get("requestBody"), after.get("requestBody"), old, new
            )
            for status, answer in before["responses"].items():
                if status.startswith("2"):
                    later = _schema(after["responses"].get(status, {}))
                    where = f"{place}: {status}"
                    yield from _narrowed(where, _schema(answer), later, old, new, sent=False)


def _of_parameters(
    place: str, before: Document, after: Document, old: Document, new: Document
) -> Iterator[str]:
    earlier = {one["name"]: one for one in before["parameters"]}
    later = {one["name"]: one for one in after["parameters"]}
    for name in earlier.keys() - later.keys():
        yield f"{place}: parameter {name} is gone"
    for name, one in later.items():
        was_required = name in earlier and earlier[name]["required"]
        if one["required"] and not was_required:
            yield f"{place}: parameter {name} is required now"
        if name in earlier:
            schemas = (earlier[name]["schema"], one["schema"])
            yield from _narrowed(f"{place}: parameter {name}", *schemas, old, new, sent=True)


def _of_body(
    place: str, before: Document | None, after: Document | None, old: Document, new: Document
) -> Iterator[str]:
    if after is not None and after["required"] and not (before and before["required"]):
        yield f"{place}: the body is required now"
    if before is not None and after is not None:
        yield from _narrowed(f"{place}: body", _schema(before), _schema(after), old, new, sent=True)


def _schema(answer: Document) -> Document:
    found: Document = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _narrowed(
    place: str, before: Document, after: Document, old: Document, new: Document, *, sent: bool
) -> Iterator[str]:
    """Yield what a program can't send any more, or doesn't get any more."""
    before, after = _resolved(before, old), _resolved(after, new)
    if before.get("type") != after.get("type"):
        yield f"{place} has another type"
    if sent and not set(before.get("enum", ())) <= set(after.get("enum", ())):
        yield f"{place} takes fewer values"
    if sent:
        for name in set(after.get("required", ())) - set(before.get("required", ())):
            yield f"{place}/{name} is required now"
    earlier, later = before.get("properties", {}), after.get("properties", {})
    for name, inner in earlier.items():
        if name not in later:
            yield f"{place}/{name} is gone"
        else:
            yield from _narrowed(f"{place}/{name}", inner, later[name], old, new, sent=sent)
    for one, other in zip(before.get("anyOf", ()), after.get("anyOf", ()), strict=False):
        yield from _narrowed(place, one, other, old, new, sent=sent)
    if len(before.get("anyOf", ())) != len(after.get("anyOf", ())):
        yield f"{place} has another type"
    if "items" in before and "items" in after:
        yield from _narrowed(f"{place}/*", before["items"], after["items"], old, new, sent=sent)


def _resolved(schema: Document, document: Document) -> Document:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Document = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


if __name__ == "__main__":
    document = current()
    problems = incompatible(checked_in(), document) if FILE.exists() else []
    print("\n".join(problems) or "Programs that use the API can go on.")
    if problems and "--incompatible" not in sys.argv:
        sys.exit(1)
    FILE.write_text(f"{json.dumps(document, indent=1, sort_keys=True)}\n", encoding="utf-8")
