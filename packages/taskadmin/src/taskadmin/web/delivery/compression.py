"""Compress pages, the API's responses and static files, with Brotli or gzip."""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import Any

import brotli
from flask import Flask, Response, request, request_finished

#: Bytes below which a response fits into one packet anyway.
_LEAST_BYTES = 1000
_TYPES = ("text/", "application/", "image/svg+xml")
#: Levels for pages, which are compressed each time, and for files, which are compressed once.
_FAST = {"br": 4, "gzip": 6}
_SMALL = {"br": 11, "gzip": 9}


def init_app(app: Flask) -> None:
    """Compress what taskadmin's endpoints of *app* return; the host's own pages stay as they are."""
    # Not in after_request: a host's functions there may read or change the text.
    request_finished.connect(_compress, app, weak=False)


def _compress(_app: Flask, response: Response, **_: Any) -> None:
    endpoint = request.endpoint or ""
    is_file = endpoint.endswith(".static")
    if (
        not endpoint.startswith("taskadmin")
        or response.status_code in (204, 206, 304)
        or "Content-Encoding" in response.headers
        or not (response.mimetype or "").startswith(_TYPES)
        or (response.is_streamed and not is_file)
    ):
        return
    response.vary.add("Accept-Encoding")
    encoding = request.accept_encodings.best_match(_FAST)
    if encoding is None or _may_be_guessed():
        return
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) < _LEAST_BYTES:
        return
    response.set_data(_compressed_file(body, encoding) if is_file else _encode(body, encoding))
    response.headers["Content-Encoding"] = encoding
    etag, _weak = response.get_etag()
    if etag is not None:
        response.set_etag(etag, weak=True)


def _may_be_guessed() -> bool:
    """Whether another site asks, which could guess a page's secrets from its length (BREACH)."""
    return request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")


@lru_cache(maxsize=32)
def _compressed_file(body: bytes, encoding: str) -> bytes:
    return _encode(body, encoding, _SMALL)


def _encode(body: bytes, encoding: str, levels: dict[str, int] = _FAST) -> bytes:
    level = levels[encoding]
    if encoding == "gzip":
        return gzip.compress(body, level, mtime=0)
    compressed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=level)
    return compressed
