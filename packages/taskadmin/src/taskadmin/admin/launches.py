"""Launches: each fan-out, and how far it is. Superusers only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from flask import request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..i18n import lazy_gettext
from ..models import Launch, LaunchKind
from ..shell import error_page
from ..store import clock
from ..store.closing import COUNTED
from ..store.launch_pages import (
    EXPLAINED,
    causes,
    find_launch,
    page_of_launches,
    progress_of,
)
from .access import MAX_BIG_ID, ProtectedView, number_of
from .launch_rows import Row, row_of

_PAGE = 30


class _Tab(NamedTuple):
    label: str
    kind: LaunchKind | None = None
    only_open: bool = False
    only_missed: bool = False


#: What the address may ask for in ``show``.
_TABS = {
    "": _Tab(lazy_gettext("All")),
    "open": _Tab(lazy_gettext("Open"), only_open=True),
    "slot": _Tab(lazy_gettext("Common slot"), LaunchKind.SLOT),
    "due": _Tab(lazy_gettext("Own schedules"), LaunchKind.DUE),
    "manual": _Tab(lazy_gettext("By hand"), LaunchKind.MANUAL),
    "api": _Tab(lazy_gettext("By a program"), LaunchKind.API),
    "missed": _Tab(lazy_gettext("Missed"), only_missed=True),
}


class LaunchesView(ProtectedView):
    """Newest first, page by page behind an id."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """Launches of a kind, open or missed ones (``show``), older than a launch (``before``)."""
        show = request.args.get("show", "")
        tab = _TABS.get(show)
        if tab is None:
            return error_page(404)
        before = number_of(request.args.get("before"), largest=MAX_BIG_ID)
        launches = page_of_launches(
            self.database,
            kind=tab.kind,
            only_open=tab.only_open,
            only_missed=tab.only_missed,
            before_id=before,
            limit=_PAGE + 1,
        )
        rows = self._rows(launches[:_PAGE])
        return self.render(
            "taskadmin/launches.html",
            rows=rows,
            more=len(launches) > _PAGE,
            before=before,
            show=show,
            tabs=_TABS,
            is_done=before is not None and all(row.is_over for row in rows),
        )

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """One launch: what became of its runs, and why some were skipped or failed."""
        number = number_of(request.args.get("id"), largest=MAX_BIG_ID)
        launch = find_launch(self.database, number) if number is not None else None
        if launch is None:
            return error_page(404)
        (row,) = self._rows([launch])
        return self.render(
            "taskadmin/launches_details.html",
            row=row,
            launch=launch,
            causes=[] if row.is_missed else causes(self.database, launch.id, is_over=row.is_over),
            explained=EXPLAINED,
            counted=COUNTED,
        )

    def render(self, template: str, **context: Any) -> str:
        """Add what makes a duration of a column in seconds."""
        rendered: str = super().render(template, **context, seconds=_seconds)
        return rendered

    def _rows(self, launches: Sequence[Launch]) -> list[Row]:
        found = progress_of(self.database, launches)
        moment = clock.now(self.database)
        return [row_of(launch, found.get(launch.id), moment) for launch in launches]


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
