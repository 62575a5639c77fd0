"""Limit page requests: threads of this process, and waits for the database.

The host's own pages and health checks aren't limited: they get the threads that pages leave.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from threading import Lock
from typing import Any

from flask import Flask, Response, abort, g, make_response, request, request_started
from flask.typing import ResponseReturnValue

from ..state import State, get_state, is_api, is_page
from ..store.database.time_limits import TimeLimits, limit_time
from ..store.database.transaction import close
from .bodies import read_body

#: Header of requests for a page's live parts.
LIVE_HEADER = "Taskadmin-Live"
#: Maximum concurrent polls of a process: people who open a page come first.
POLLS_AT_ONCE = 4
#: Lock timeout in seconds: a transaction that holds one longer changes the schema, or hangs.
PAGE_LOCK_SECONDS = 3.0

_TURN, _END_LIMITS = "taskadmin.turn", "taskadmin.end_time_limits"


def is_poll() -> bool:
    """Whether the request is for a page's live parts."""
    return LIVE_HEADER in request.headers


class Turns:
    """Counts the requests in progress.

    Args:
        most: Maximum concurrent requests; 0 sets no limit.
        polls: Maximum polls among them.
    """

    def __init__(self, most: int, polls: int = POLLS_AT_ONCE) -> None:
        """Start without requests."""
        self._most, self._polls = most, min(polls, most or polls)
        self._taken, self._taken_by_polls = 0, 0
        self._lock = Lock()

    def take(self, *, poll: bool) -> bool:
        """Return whether another request may start; if so, call ``give_back`` at its end."""
        with self._lock:
            if (self._most and self._taken >= self._most) or (
                poll and self._taken_by_polls >= self._polls
            ):
                return False
            self._taken += 1
            self._taken_by_polls += poll
            return True

    def give_back(self, *, poll: bool) -> None:
        """End a request."""
        with self._lock:
            self._taken -= 1
            self._taken_by_polls -= poll


def init_app(app: Flask, url_prefix: str, refuse: Callable[[], ResponseReturnValue]) -> None:
    """Limit the requests of *app*'s pages, and of unknown addresses below *url_prefix*.

    Args:
        refuse: Returns the response when there are too many requests.
    """
    state = get_state(app)
    turns = Turns(state.settings.pages_at_once)
    below = f"{url_prefix.rstrip('/')}/"

    def is_ours() -> bool:
        is_wrong = request.endpoint is None and below != "/" and request.path.startswith(below)
        return is_wrong or is_page() or is_api()

    def begin(_app: Flask, **_: Any) -> None:
        if not is_ours():
            return
        poll = is_poll()
        if not turns.take(poll=poll):
            abort(make_response(refuse()))
        request.environ[_TURN] = poll
        g.taskadmin_page = True
        request.environ[_END_LIMITS] = limit_time(state.session, _limits(state))
        read_body()

    def hand_over(response: Response) -> Response:
        if is_ours():
            # Pages and exports are only for the logged-in user: no cache may keep them, and neither
            # may the browser's history after the logout (ASVS 5, 14.3.2).
            response.headers["Cache-Control"] = "no-store"
        # A streamed export keeps its thread until it is sent or the client disconnects.
        if response.is_streamed and _TURN in request.environ:
            poll = request.environ.pop(_TURN)
            response.call_on_close(weakref.finalize(response, turns.give_back, poll=poll))
        return response

    def end(_error: BaseException | None) -> None:
        if _TURN in request.environ:
            turns.give_back(poll=request.environ.pop(_TURN))
        if _END_LIMITS in request.environ:
            request.environ.pop(_END_LIMITS)()

    # Before the host's before_request functions, which may read the form.
    request_started.connect(begin, app, weak=False)
    app.after_request(hand_over)
    app.teardown_request(end)
    # Registered after Flask-SQLAlchemy's teardown, so that it runs before it, which would raise
    # past the finished page, and after the host's functions that use the session.
    app.teardown_appcontext(_end_session)


def _limits(state: State) -> TimeLimits:
    seconds = state.settings.statement_timeout_seconds
    return TimeLimits(
        statement_seconds=seconds,
        lock_seconds=min(PAGE_LOCK_SECONDS, seconds),
        # A change may be a series of transactions, and isn't stopped halfway.
        until=time.monotonic() + seconds if request.method == "GET" else None,
    )


def _end_session(_error: BaseException | None) -> None:
    if g.pop("taskadmin_page", False):
        close(get_state().session)
