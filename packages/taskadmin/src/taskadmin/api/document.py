"""The OpenAPI document, made by spectree from the operations' pydantic models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from flask import current_app
from pydantic import BaseModel, ValidationError
from spectree import SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData
from spectree.plugins.base import Context
from spectree.plugins.flask_plugin import FlaskPlugin
from werkzeug.routing import Rule
from werkzeug.wrappers import Request

from ..state import get_state
from ..web.problems import PROBLEM_TYPE
from .errors import Refused, of_validation
from .models.problems import Problem

ENDPOINT = "taskadmin_api"
_JSON = "application/json"
#: Headers that operations know.
_HEADERS = ("If-Match", "Idempotency-Key")
_DESCRIPTIONS = {
    400: "The request can't be read.",
    401: "The token is missing, unknown or expired.",
    403: "The token's scope or its user's roles don't suffice.",
    404: "There is no such thing.",
    409: "Another request with this `Idempotency-Key` hasn't finished, or its result is unknown; or the state forbids it.",
    412: "It changed since: `If-Match` isn't its `ETag`.",
    413: "The body is too large.",
    415: "The body isn't `application/json`.",
    422: "A value can't be used; `errors` says which, and why.",
    428: "`If-Match` is missing.",
    429: "Too many attempts.",
    500: "An error in the program.",
    503: "Too many requests, or the database is unavailable.",
}
_ALWAYS = (400, 401, 403, 404, 413, 422, 429, 500, 503)


class _Backend(FlaskPlugin):
    """spectree for the operations of one blueprint, whose prefix differs by application."""

    def find_routes(self) -> Iterator[Rule]:
        rules = current_app.url_map.iter_rules()
        ours = (rule for rule in rules if rule.endpoint.startswith(f"{ENDPOINT}."))
        yield from sorted(ours, key=lambda rule: rule.rule)

    def parse_func(self, route: Rule) -> Iterator[tuple[str, Any]]:
        view = current_app.view_functions[route.endpoint]
        for method in sorted(route.methods or ()):
            yield method, view

    def parse_path(
        self, route: Any, path_parameter_descriptions: Mapping[str, str] | None
    ) -> tuple[str, list[dict[str, Any]]]:
        path, parameters = super().parse_path(route, path_parameter_descriptions)
        for parameter in parameters:
            if parameter["schema"]["type"] == "integer":
                parameter["schema"] = {"type": "integer", "minimum": 1}
        # The document's address of the server has the prefix.
        return path.removeprefix(get_state().api_prefix or ""), parameters

    def request_validation(
        self,
        request: Request,
        query: type[BaseModel] | None,
        json: type[BaseModel] | None,
        form: object,
        headers: type[BaseModel] | None,
        cookies: object,
    ) -> None:
        """Validate strictly, and raise ``Refused``; spectree takes malformed JSON for ``{}``."""
        given = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        # A parameter that is given twice is a list, which no model takes.
        parameters = {
            name: values[0] if len(values) == 1 else values
            for name, values in request.args.to_dict(flat=False).items()
        }
        checked = [
            _checked(query, "query", lambda model: model.model_validate(parameters)),
            _checked(json, "body", lambda model: _read_body(request, model)),
            _checked(headers, "headers", lambda model: model.model_validate(given)),
        ]
        setattr(request, "context", Context(checked[0], checked[1], None, checked[2], None))  # noqa: B010


def _checked(model: type[BaseModel] | None, place: str, check: Any) -> BaseModel | None:
    if model is None:
        return None
    try:
        found: BaseModel = check(model)
    except ValidationError as error:
        raise of_validation(error, place) from error
    return found


def _read_body(request: Request, model: type[BaseModel]) -> BaseModel:
    body = request.get_data()
    if not body and not _needs_body(model):
        return model()
    if request.mimetype != _JSON:
        raise Refused(415, detail=f"Send the body as {_JSON}.")
    return model.model_validate_json(body, strict=True)


def _needs_body(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


class Document(SpecTree):
    """The document of the operations, the same for every application."""

    @cached_property
    def _cached(self) -> dict[str, Any]:
        return _completed(super().spec, self.models)

    @property
    def spec(self) -> dict[str, Any]:
        """The document without addresses, which differ by application."""
        return self._cached


def _completed(spec: dict[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """Add what spectree doesn't know: the common errors, and bodies that may be missing."""
    spec["components"]["responses"] = {
        f"Problem{status}": {
            "description": description,
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, description in _DESCRIPTIONS.items()
    }
    for path in spec["paths"].values():
        for operation in path.values():
            statuses = {*_ALWAYS}
            body = operation.get("requestBody")
            if body is not None:
                statuses |= {415}
                reference = body["content"][_JSON]["schema"]["$ref"].rpartition("/")[2]
                body["required"] = bool(spec["components"]["schemas"][reference].get("required"))
            names = {parameter["name"] for parameter in operation["parameters"]}
            statuses |= {412, 428} if "If-Match" in names else set()
            statuses |= {409} if "Idempotency-Key" in names else set()
            for status in sorted(statuses):
                reference = f"#/components/responses/Problem{status}"
                operation["responses"][str(status)] = {"$ref": reference}
    return spec


def make_document() -> Document:
    """Return a document without operations."""
    return Document(
        backend=_Backend,
        validation_error_model=Problem,
        naming_strategy=lambda model: str(model.__name__).removesuffix("Out"),
        nested_naming_strategy=lambda _, child: child.removesuffix("Out"),
        title="taskadmin",
        version="1",
        description=(
            "Tasks, runs and all else of taskadmin, for programs. Send a personal token:"
            " `Authorization: Bearer taskadmin_…`. Errors are problem details (RFC 9457), times"
            " are RFC 3339 in UTC, and secrets are never sent."
        ),
        security_schemes=[
            SecurityScheme(
                name="token",
                data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer"),
            )
        ],
        security={"token": []},
        annotations=False,
        mode="strict",  # without the document and its page
    )
