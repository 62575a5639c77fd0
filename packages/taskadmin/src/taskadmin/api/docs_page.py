"""The OpenAPI document, and a page that shows it (Swagger UI)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.exceptions import NotFound

from ..state import get_state
from ..web.delivery.static_files import send_static, version_of
from .operations import document

#: The files of Swagger UI that the page loads.
_FILES = {"swagger-ui.css", "swagger-ui-bundle.js"}


def add_docs_page(blueprint: Blueprint) -> None:
    """Register the document and its page; both can be read without a token, and have no data."""
    options: dict[str, Any] = {"methods": ["GET"], "provide_automatic_options": False}
    blueprint.add_url_rule("/openapi.json", "openapi", _openapi, **options)
    blueprint.add_url_rule("/docs", "docs", _docs, **options)
    blueprint.add_url_rule("/docs/<name>", "static", _file, **options)


def _openapi() -> Any:
    servers = [{"url": f"{request.script_root}{get_state().api_prefix}"}]
    return current_app.json.response({**document.spec, "servers": servers})


def _docs() -> str:
    versions = {name: version_of(_folder() / name) for name in _FILES}
    return render_template("taskadmin/api_docs.html", versions=versions)


def _file(name: str) -> Response:
    if name not in _FILES:
        raise NotFound
    return send_static(name, _folder())


def _folder() -> Path:
    package = find_spec("flask_swagger_ui")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "dist"
