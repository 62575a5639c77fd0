"""Launches pages. Superusers only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from flask import request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ...models import Launch, LaunchKind
from ...search.times import read_times
from ...store.database import clock
from ...store.launches.closing import SMALL_LAUNCH
from ...store.reports.launch_pages import (
    EXPLAINED_RUNS,
    causes,
    find_launch,
    page_of_launches,
    progress_of,
)
from ...translation.i18n import lazy_gettext
from ...values.ids import MAX_BIG_ID, parse_id
from ...web.error_pages import error_page
from ..flask_admin.access import ProtectedView
from ..flask_admin.fragment_cache import cache_fragments
from .rows import LaunchRow, row_of

_LAUNCHES_PER_PAGE = 30


class _Tab(NamedTuple):
    label: str
    kind: LaunchKind | None = None
    only_open: bool = False
    only_missed: bool = False


#: Values of ``show`` in the URL.
_TABS = {
    "": _Tab(lazy_gettext("All")),
    "open": _Tab(lazy_gettext("Open"), only_open=True),
    "slot": _Tab(lazy_gettext("Common slot"), LaunchKind.SLOT),
    "due": _Tab(lazy_gettext("Task schedules"), LaunchKind.DUE),
    "manual": _Tab(lazy_gettext("Manual"), LaunchKind.MANUAL),
    "missed": _Tab(lazy_gettext("Missed"), only_missed=True),
}


class LaunchesView(ProtectedView):
    """Launches, newest first, with keyset pagination."""

    @expose("/")
    @cache_fragments
    def index_view(self) -> ResponseReturnValue:
        """List launches of a trigger, open or missed ones (``show``), older than ``before``.

        The URL may also have times (``read_times``).
        """
        show = request.args.get("show", "")
        tab = _TABS.get(show)
        if tab is None:
            return error_page(404)
        before = parse_id(request.args.get("before"), largest=MAX_BIG_ID)
        times = read_times(request.args, self.viewer)
        launches = page_of_launches(
            self.database,
            **times.span._asdict(),
            kind=tab.kind,
            only_open=tab.only_open,
            only_missed=tab.only_missed,
            before_id=before,
            limit=_LAUNCHES_PER_PAGE + 1,
        )
        rows = self._rows(launches[:_LAUNCHES_PER_PAGE])
        return self.render(
            "taskadmin/launches/list.html",
            rows=rows,
            more=len(launches) > _LAUNCHES_PER_PAGE,
            before=before,
            show=show,
            given=times.given,
            problem=times.problem,
            tabs=_TABS,
            is_done=before is not None and all(row.is_over for row in rows),
        )

    @expose("/details/")
    @cache_fragments
    def details_view(self) -> ResponseReturnValue:
        """Show a launch: its runs by state, and why some were skipped or failed."""
        number = parse_id(request.args.get("id"), largest=MAX_BIG_ID)
        launch = find_launch(self.database, number) if number is not None else None
        if launch is None:
            return error_page(404)
        (row,) = self._rows([launch])
        return self.render(
            "taskadmin/launches/details.html",
            row=row,
            launch=launch,
            causes=[] if row.is_missed else causes(self.database, launch.id, is_over=row.is_over),
            explained=EXPLAINED_RUNS,
            counted=SMALL_LAUNCH,
        )

    def render(self, template: str, **context: object) -> str:
        """Add ``seconds``, which turns a column of seconds into a duration."""
        rendered: str = super().render(template, **context, seconds=_seconds)
        return rendered

    def _rows(self, launches: Sequence[Launch]) -> list[LaunchRow]:
        found = progress_of(self.database, launches)
        moment = clock.now(self.database)
        return [row_of(launch, found.get(launch.id), moment) for launch in launches]


def _seconds(number: float) -> timedelta:
    try:
        return timedelta(seconds=number)
    except (OverflowError, ValueError):  # rows written by other programs; ValueError is for NaN
        return timedelta.max if number > 0 else timedelta()
