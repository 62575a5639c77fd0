"""Cache the live parts of a page for users who poll the same one."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import wraps
from threading import Lock
from typing import TypeVar

from flask import g, request
from flask.typing import ResponseReturnValue

from ...state import get_state
from ...translation import i18n
from ...web.page_requests import is_poll

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

#: Seconds that parts are fresh, and that they may be served while newer ones are rendered.
FRESH_SECONDS, MAX_STALE_SECONDS = 1.0, 5.0
#: Maximum entries in the cache.
_MAX_KEPT = 100


@dataclass(slots=True)
class _Fragment:
    text: str = ""
    made_at: float = float("-inf")
    is_being_made: bool = False


class FragmentCache:
    """Rendered parts of pages by key."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """Start with an empty cache."""
        self._now = now
        self._lock = Lock()
        self._fragments: dict[Hashable, _Fragment] = {}

    def find(self, key: Hashable) -> str | None:
        """Return the text of *key*, or None if the caller has to render it."""
        with self._lock:
            fragment = self._fragments.setdefault(key, _Fragment())
            age = self._now() - fragment.made_at
            if age < FRESH_SECONDS or (fragment.is_being_made and age < MAX_STALE_SECONDS):
                return fragment.text
            fragment.is_being_made = True
            return None

    def keep(self, key: Hashable, text: str | None) -> None:
        """Store *text*; None if it couldn't be rendered or is for one user only."""
        with self._lock:
            self._fragments.pop(key, None)
            if text is not None:
                self._fragments[key] = _Fragment(text, self._now())
            while len(self._fragments) > _MAX_KEPT:
                del self._fragments[next(iter(self._fragments))]


def cache_fragments(view: View) -> View:
    """Decorate a view whose live parts are the same for users with equal rights, language and zone.

    The view runs after the access check. Polls are rendered without frame and messages; parts
    whose template uses the current user or a CSRF token aren't shared.
    """

    @wraps(view)
    def answer(*arguments: object, **options: object) -> ResponseReturnValue:
        if not is_poll():
            return view(*arguments, **options)
        cache, key = get_state().fragment_cache, _key()
        assert cache is not None  # set by AdminViews
        found = cache.find(key)
        if found is not None:
            return found
        text = None
        try:
            made = view(*arguments, **options)
            if isinstance(made, str) and "taskadmin_personal" not in g:
                text = made
        finally:
            cache.keep(key, text)
        return made

    return answer  # type: ignore[return-value]


def _key() -> Hashable:
    user = get_state().current_user()
    assert user is not None  # access has been checked
    return (
        *(request.script_root, request.full_path, request.host_url),
        *(user.may_manage, user.may_review),
        *(str(i18n.locale()), i18n.zone_name()),
    )
