"""``Idempotency-Key``: a repeated request gets the first one's response."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TypeVar

from flask import request
from pydantic import BaseModel

from .. import service
from .access import caller
from .errors import Refused

HEADER = "Idempotency-Key"
_REPLAYED = "Idempotency-Replayed"
Answer = TypeVar("Answer", bound=BaseModel)
Answered = tuple[Answer, int, dict[str, str]]


def request_key() -> str | None:
    """Return the request's key for the ledger, which starts nothing twice under it."""
    key = request.headers.get(HEADER)
    return None if key is None else f"api:{caller().user.id}:{request.path}:{key}"


def once(act: Callable[[], Answered[Answer]], returns: type[Answer]) -> Answered[Answer]:
    """Act, unless a request with the same key has acted; then return its response.

    The key is claimed first, so that of concurrent requests only one acts.

    Raises:
        Refused: With 409 if the other one hasn't finished; with 422 if it was another request.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return act()
    user_id, fingerprint = caller().user.id, _fingerprint()
    earlier = service.begin_request(user_id, key, fingerprint)
    if earlier is not None:
        if earlier.request_hash != fingerprint:
            raise Refused(
                422,
                "key-reused",
                detail="Another request had this Idempotency-Key: use a new one.",
                errors=[{"parameter": HEADER, "detail": "Another request had this key."}],
            )
        if earlier.body is None or earlier.headers is None:
            raise Refused(
                409,
                "in-progress",
                detail="The first request with this key hasn't finished, or its result is unknown.",
                headers={"Retry-After": "5"},
            )
        status, headers = json.loads(earlier.headers)
        return returns.model_validate_json(earlier.body), status, {**headers, _REPLAYED: "true"}
    try:
        content, status, headers = act()
    except BaseException:
        service.forget_request(user_id, key)
        raise
    stored = json.dumps([status, headers])
    service.end_request(user_id, key, body=content.model_dump_json(), headers=stored)
    return content, status, headers


def _fingerprint() -> str:
    parts = (request.method.encode(), request.full_path.encode(), request.get_data())
    return hashlib.sha256(b"\n".join(parts)).hexdigest()
