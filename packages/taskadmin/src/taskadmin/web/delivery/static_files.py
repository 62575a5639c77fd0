"""Static files, with a hash of their contents in the address, so that browsers keep them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, request_finished, send_from_directory

FOLDER = Path(__file__).parents[2] / "static" / "taskadmin"
#: What browsers use as "forever"; RFC 9111 advises against more.
_YEAR_SECONDS = 31_536_000


def init_app(app: Flask) -> None:
    """Send static files without cookies: they are the same for everyone."""
    # The session's cookie is set after all after_request functions.
    request_finished.connect(_drop_cookies, app, weak=False)


def version_of(file: Path) -> str:
    """Return the hash for the file's address: its parameter ``v``."""
    return _hash(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _hash(file: Path, _changed_at: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def send_static(filename: str, folder: Path = FOLDER) -> Response:
    """Respond with a file of *folder*, to be kept forever if the address has its hash."""
    response = send_from_directory(folder, filename)
    if request.args.get("v") == version_of(folder / filename):
        response.cache_control.no_cache = None
        response.cache_control.public = True
        response.cache_control.max_age = _YEAR_SECONDS
        response.cache_control.immutable = True
    return response


def _drop_cookies(_app: Flask, response: Response, **_: Any) -> None:
    endpoint = request.endpoint or ""
    if endpoint.startswith("taskadmin") and endpoint.endswith(".static"):
        response.headers.remove("Set-Cookie")
        response.vary.discard("Cookie")
