"""Celery's ``rpc://`` result backend with its own exchange."""

from __future__ import annotations

from typing import Any

from celery.backends.rpc import RPCBackend
from kombu import Exchange

from .stack.broker import REPLIES


class Replies(RPCBackend):  # type: ignore[misc]  # Celery has no types
    """``rpc://`` with a named exchange.

    Celery uses the broker's default exchange. A user with rights on that can write to every queue,
    including the launcher's, which a worker shouldn't.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exchange = Exchange(REPLIES, type="direct")
