"""What needs a look, in words: the dashboard's list."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from flask import url_for
from sqlalchemy.orm import Session

from .. import i18n
from ..models import Task, TaskPause
from ..shell import Beat
from ..store import dashboard
from ..store.dashboard import Failing, Outlook
from ..store.process_pages import OpenRuns
from ..texts import gettext, ngettext

#: A pause that is older was perhaps forgotten.
_LONG = timedelta(days=1)


class Line(NamedTuple):
    """Something that needs a look."""

    text: str
    about: str
    #: Where to look.
    url: str | None
    #: Whether something doesn't work, or it is only worth knowing.
    is_bad: bool


def attention(
    session: Session,
    *,
    moment: datetime,
    beat: Beat,
    found: Outlook,
    runs: OpenRuns,
    queues: Collection[str],
) -> list[Line]:
    """Everything that needs a look, the worst first; at most four queries.

    Args:
        queues: Those that somebody reads.
    """
    lines = [*_of_beat(beat), *_of_queues(queues, runs)]
    lines += [_of_failures(failing) for failing in dashboard.failing_tasks(session)]
    lines += _of_schedules(session, found.broken)
    lines += _of_slots(found)
    lines += [
        _of_pause(task, pause)
        for task, pause in dashboard.long_pauses(session, before=moment - _LONG)
    ]
    return lines


def _of_failures(failing: Failing) -> Line:
    number, error = i18n.grouped(failing.number), failing.error_type
    if failing.at_least:
        text = gettext(
            "“%(task)s” failed at least %(number)s times in a row", task=failing.task, number=number
        )
    else:
        text = gettext(
            "“%(task)s” failed %(number)s times in a row", task=failing.task, number=number
        )
    since = i18n.absolute(failing.since) if failing.since else "–"
    if failing.is_same and failing.at_least:
        about = gettext("%(error)s since %(time)s or earlier", error=error, time=since)
    elif failing.at_least:
        about = gettext(
            "since %(time)s or earlier, at last with %(error)s", error=error, time=since
        )
    elif failing.is_same:
        about = gettext("%(error)s since %(time)s", error=error, time=since)
    else:
        about = gettext("since %(time)s, at last with %(error)s", error=error, time=since)
    return Line(text, about, url_for("taskadmin_tasks.details_view", id=failing.task_id), True)


def _of_pause(task: Task, pause: TaskPause) -> Line:
    ago = i18n.ago(pause.paused_at)
    if pause.pauser is None:
        text = gettext("“%(task)s” was paused %(ago)s, after too many failures", task=task, ago=ago)
    else:
        text = gettext(
            "“%(task)s” was paused %(ago)s by %(who)s",
            task=task,
            ago=ago,
            who=pause.pauser.username,
        )
    until = (
        gettext("it resumes on %(time)s", time=i18n.absolute(pause.resume_at))
        if pause.resume_at is not None
        else gettext("no date to resume")
    )
    about = f"“{pause.note}” · {until}" if pause.note else until
    return Line(text, about, url_for("taskadmin_tasks.details_view", id=task.id), False)


def _of_beat(beat: Beat) -> list[Line]:
    if beat.state == "good":
        return []
    workers = url_for("taskadmin_workers.index_view")
    if beat.state == "late" and beat.since is not None:
        text = gettext(
            "Beat or the launcher is late: the last tick was %(time)s ago.",
            time=i18n.duration(beat.since),
        )
        return [Line(text, gettext("Until the next one nothing is started."), workers, False)]
    if beat.since is None:
        text = gettext("No launcher has ever looked for due tasks: nothing is started.")
        return [Line(text, gettext("Start beat and a launcher."), workers, True)]
    return [
        Line(
            gettext("Nothing is started: beat or the launcher has stopped."),
            gettext("The last tick was %(time)s ago.", time=i18n.duration(beat.since)),
            workers,
            True,
        )
    ]


def _of_queues(queues: Collection[str], runs: OpenRuns) -> list[Line]:
    return [
        Line(
            gettext("No worker listens on queue “%(name)s”", name=name),
            gettext(
                "%(runs)s, the oldest for %(time)s",
                runs=ngettext("%(num)s run waits", "%(num)s runs wait", queue.ready),
                time=i18n.duration(queue.oldest or timedelta()),
            ),
            url_for("taskadmin_workers.index_view"),
            True,
        )
        for name, queue in sorted(runs.by_queue.items())
        if queue.ready and name not in queues
    ]


def _of_schedules(session: Session, number: int) -> list[Line]:
    if not number:
        return []
    broken = dashboard.broken_schedules(session)
    lines = [
        Line(
            gettext("The schedule of “%(task)s” can't be computed", task=task),
            error,
            url_for("taskadmin_tasks.details_view", id=task.id),
            True,
        )
        for task, error in broken
    ]
    if number > len(broken):
        lines.append(
            Line(
                ngettext(
                    "The schedule of %(num)s more task can't be computed",
                    "The schedules of %(num)s more tasks can't be computed",
                    number - len(broken),
                ),
                gettext("They aren't started until that is mended."),
                None,
                True,
            )
        )
    return lines


def _of_slots(found: Outlook) -> list[Line]:
    if not found.missed_slots:
        return []
    return [
        Line(
            ngettext(
                "%(num)s common slot was missed in the last 24 hours",
                "%(num)s common slots were missed in the last 24 hours",
                found.missed_slots,
            ),
            gettext("Nobody launched what was due then."),
            url_for("taskadmin_launches.index_view", show="missed"),
            False,
        )
    ]
