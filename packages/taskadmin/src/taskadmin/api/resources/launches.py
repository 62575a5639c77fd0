"""Launches: list, and read."""

from __future__ import annotations

from collections.abc import Sequence

from ...models import Launch
from ...state import get_state
from ...store.reports.launch_pages import find_launch, page_of_launches, progress_of
from ...values.ids import MAX_BIG_ID, can_be_id
from ...values.showable import showable
from ..cursors import page_of
from ..errors import Refused
from ..models.fields import PersonOut
from ..models.runs import LaunchOut, LaunchPage, LaunchQuery
from ..operations import operation

_COLUMNS = (
    *("id", "kind", "state", "slot", "reason", "opened_at", "published_at", "closed_at"),
    *("queued", "skipped"),
)


@operation("GET", "/launches", tag="launches", returns=LaunchPage)
def list_launches(query: LaunchQuery) -> LaunchPage:
    """List launches, newest first."""
    rows = page_of_launches(
        get_state().session,
        kind=query.kind,
        only_open=query.only == "open",
        only_missed=query.only == "missed",
        before_id=query.before,
        limit=query.limit + 1,
    )
    shown, following = page_of(query, rows)
    return LaunchPage(items=_launches_out(shown), next=following)


@operation("GET", "/launches/<int:launch_id>", tag="launches", returns=LaunchOut)
def read_launch(launch_id: int) -> LaunchOut:
    """Read a launch with the number of its runs by state."""
    possible = can_be_id(launch_id, largest=MAX_BIG_ID)
    launch = find_launch(get_state().session, launch_id) if possible else None
    if launch is None:
        raise Refused(404, "unknown-launch", detail=f"There is no launch {launch_id}.")
    return _launches_out([launch])[0]


def _launches_out(rows: Sequence[Launch]) -> list[LaunchOut]:
    progress = progress_of(get_state().session, rows)
    return [
        LaunchOut(
            **{name: showable(getattr(launch, name)) for name in _COLUMNS},
            requested_by=PersonOut(id=launch.requester.id, username=launch.requester.username)
            if launch.requester
            else None,
            runs_by_state={
                state.value: number for state, number in progress[launch.id].counts.items()
            }
            if launch.id in progress
            else {},
        )
        for launch in rows
    ]
