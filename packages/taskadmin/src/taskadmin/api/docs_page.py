"""The OpenAPI document, and a page that shows it (Swagger UI)."""

from __future__ import annotations

import mimetypes
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request, send_from_directory
from werkzeug.exceptions import NotFound

from ..state import get_state
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
    return render_template("taskadmin/api_docs.html")


def _file(name: str) -> Response:
    folder = find_spec("flask_swagger_ui")
    assert folder is not None and folder.origin is not None
    if name not in _FILES:
        raise NotFound
    files = Path(folder.origin).parent / "dist"
    return send_from_directory(files, name, mimetype=mimetypes.guess_type(name)[0])
