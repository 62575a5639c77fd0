"""Requests of the API that may be repeated."""

from __future__ import annotations

from ..state import get_state
from ..store.people import api_requests
from ..store.people.api_requests import EarlierRequest


def begin_request(user_id: int, key: str, request_hash: str) -> EarlierRequest | None:
    """Claim a key of a user; return the request that has it, or None if it is claimed now."""
    return api_requests.begin_request(get_state().session, user_id, key, request_hash)


def end_request(user_id: int, key: str, *, body: str, headers: str) -> None:
    """Store the response of a request, for repeated ones."""
    api_requests.end_request(get_state().session, user_id, key, body=body, headers=headers)


def forget_request(user_id: int, key: str) -> None:
    """Release the key of a request that failed and may be sent again."""
    api_requests.forget_request(get_state().session, user_id, key)
