"""``@operation``: a function as an operation of the API."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, get_type_hints

from flask import Blueprint, Response, request
from pydantic import BaseModel
from spectree import Response as Responses

from ..service import Scope
from .access import Right, Rule, admit
from .document import ENDPOINT, make_document
from .models.headers import IdempotencyKey
from .replays import once

blueprint = Blueprint(ENDPOINT, __name__)
document = make_document()

#: What each endpoint needs; others are the document and the page that shows it.
RULES: dict[str, Rule] = {}
_Function = TypeVar("_Function", bound=Callable[..., object])
_OPEN = ("openapi", "docs", "static")


def operation(
    method: str,
    path: str,
    *,
    tag: str,
    returns: type[BaseModel],
    scope: Scope = Scope.READ,
    right: Right = Right.MANAGE,
    status: int = 200,
) -> Callable[[_Function], _Function]:
    """Register a function as an operation: its name is the operation's id, its docstring the text.

    Parameters called ``query``, ``body`` and ``headers`` are models that it gets validated; the
    others are parts of the path. It returns an instance of *returns*, or that and headers.
    """

    def register(function: _Function) -> _Function:
        name = function.__name__
        models = {
            part: model
            for part, model in get_type_hints(function).items()
            if part in ("query", "body", "headers")
        }
        headers = IdempotencyKey if method == "POST" else models.get("headers")

        @wraps(function)
        def view(**values: object) -> Any:
            context: Any = getattr(request, "context")  # noqa: B009 - spectree's
            parts = {"query": context.query, "body": context.json, "headers": context.headers}
            values |= {part: parts[part] for part in models}

            def act() -> tuple[Any, int, dict[str, str]]:
                done: Any = function(**values)
                content, headers = done if isinstance(done, tuple) else (done, {})
                return content, status, headers

            return once(act, returns) if method == "POST" else act()

        validated = document.validate(
            query=models.get("query"),
            json=models.get("body"),
            headers=headers,
            resp=Responses(**{f"HTTP_{status}": returns}),
            tags=[tag],
            operation_id=name,
        )(view)
        blueprint.add_url_rule(
            path, name, validated, methods=[method], provide_automatic_options=False
        )
        RULES[name] = Rule(scope, right)
        return function

    return register


@blueprint.before_request
def _admit() -> None:
    name = (request.endpoint or "").removeprefix(f"{ENDPOINT}.")
    if name not in _OPEN:
        admit(RULES[name])


@blueprint.after_request
def _add_headers(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
