"""Problems that the dashboard lists under "Needs attention"."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from flask import url_for
from sqlalchemy.orm import Session

from ...jobs import all_jobs
from ...models import NOTIFY_JOB, Task, TaskPause
from ...store.notifications.channels import failing_channels
from ...store.reports import dashboard
from ...store.reports.attention.blocked_tasks import BlockedTask, blocked_tasks
from ...store.reports.attention.failing_tasks import Failing, failing_tasks
from ...store.reports.dashboard import Outlook
from ...store.reports.process_pages import OpenRuns
from ...translation import i18n
from ...translation.texts import gettext, ngettext
from ...web.layout import Beat

#: Longer pauses are listed: they may have been forgotten.
_LONG_PAUSE = timedelta(days=1)


class AttentionItem(NamedTuple):
    """One entry of the list."""

    text: str
    about: str
    #: Page with the details.
    url: str | None
    #: True for an error, False for a warning.
    is_bad: bool


def attention(
    session: Session,
    *,
    moment: datetime,
    beat: Beat,
    found: Outlook,
    runs: OpenRuns,
    queues: Collection[str],
) -> list[AttentionItem]:
    """Return all problems, the worst first; runs at most five queries.

    Args:
        queues: Queues that have a consumer.
    """
    lines = [*_of_beat(beat), *_of_queues(queues, runs)]
    lines += [_of_failures(failing) for failing in failing_tasks(session)]
    lines += _of_channels(session)
    lines += _of_blocked_tasks(session, found.broken)
    lines += _of_slots(found)
    lines += _of_new_users(found)
    lines += [
        _of_pause(task, pause)
        for task, pause in dashboard.long_pauses(session, before=moment - _LONG_PAUSE)
    ]
    return lines


def _of_failures(failing: Failing) -> AttentionItem:
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
            "since %(time)s or earlier, most recently with %(error)s", error=error, time=since
        )
    elif failing.is_same:
        about = gettext("%(error)s since %(time)s", error=error, time=since)
    else:
        about = gettext("since %(time)s, most recently with %(error)s", error=error, time=since)
    return AttentionItem(
        text, about, url_for("taskadmin_tasks.details_view", id=failing.task_id), True
    )


def _of_channels(session: Session) -> list[AttentionItem]:
    if NOTIFY_JOB not in all_jobs():
        return []  # without ``Notifications``
    return [
        AttentionItem(
            gettext("Channel “%(name)s” doesn't accept messages", name=name),
            gettext("The last delivery failed."),
            url_for("taskadmin_tasks.details_view", id=task_id),
            True,
        )
        for name, task_id in failing_channels(session)
    ]


def _of_pause(task: Task, pause: TaskPause) -> AttentionItem:
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
        gettext("resumes on %(time)s", time=i18n.absolute(pause.resume_at))
        if pause.resume_at is not None
        else gettext("no resume date")
    )
    about = f"“{pause.note}” · {until}" if pause.note else until
    return AttentionItem(text, about, url_for("taskadmin_tasks.details_view", id=task.id), False)


def _of_beat(beat: Beat) -> list[AttentionItem]:
    if beat.state == "good":
        return []
    workers = url_for("taskadmin_workers.index_view")
    if beat.state == "late" and beat.since is not None:
        text = gettext(
            "Beat or the launcher is late: the last tick was %(time)s ago.",
            time=i18n.duration(beat.since),
        )
        return [
            AttentionItem(text, gettext("No task is started until the next tick."), workers, False)
        ]
    if beat.since is None:
        text = gettext("No launcher has run yet, so no task is started.")
        return [AttentionItem(text, gettext("Start beat and a launcher."), workers, True)]
    return [
        AttentionItem(
            gettext("No task is started: beat or the launcher has stopped."),
            gettext("The last tick was %(time)s ago.", time=i18n.duration(beat.since)),
            workers,
            True,
        )
    ]


def _of_queues(queues: Collection[str], runs: OpenRuns) -> list[AttentionItem]:
    return [
        AttentionItem(
            gettext("No worker listens on queue “%(name)s”", name=name),
            gettext(
                "%(runs)s, the oldest for %(time)s",
                runs=ngettext("%(num)s run waiting", "%(num)s runs waiting", queue.ready),
                time=i18n.duration(queue.oldest or timedelta()),
            ),
            url_for("taskadmin_workers.index_view"),
            True,
        )
        for name, queue in sorted(runs.by_queue.items())
        if queue.ready and name not in queues
    ]


def _of_blocked_tasks(session: Session, broken: int) -> Iterator[AttentionItem]:
    """Yield tasks that can't run.

    Args:
        broken: Number of tasks whose schedule can't be computed.
    """
    most = dashboard.MAX_NAMED_TASKS
    by_job, by_schedule = blocked_tasks(session, limit=most + 1)
    for one in by_job[:most]:
        yield _of_blocked_task(gettext("“%(task)s” can't run", task=one.task), one)
    if len(by_job) > most:
        text, about = gettext("More tasks can't run"), gettext("Their problem is in the list.")
        yield AttentionItem(text, about, url_for("taskadmin_tasks.index_view"), True)
    for one in by_schedule[:most]:
        yield _of_blocked_task(
            gettext("The schedule of “%(task)s” can't be computed", task=one.task), one
        )
    if broken > most:
        yield AttentionItem(
            ngettext(
                "The schedule of %(num)s more task can't be computed",
                "The schedules of %(num)s more tasks can't be computed",
                broken - most,
            ),
            gettext("They won't run until this is fixed."),
            None,
            True,
        )


def _of_blocked_task(text: str, task: BlockedTask) -> AttentionItem:
    url = url_for("taskadmin_tasks.details_view", id=task.task_id)
    return AttentionItem(text, task.reason, url, True)


def _of_new_users(found: Outlook) -> list[AttentionItem]:
    if not found.new_users:
        return []
    text = ngettext(
        "%(num)s new user has no role", "%(num)s new users have no role", found.new_users
    )
    about = gettext("Registered in the last %(num)s days.", num=dashboard.NEW_USER.days)
    return [AttentionItem(text, about, url_for("taskadmin_users.index_view", show="none"), False)]


def _of_slots(found: Outlook) -> list[AttentionItem]:
    if not found.missed_slots:
        return []
    return [
        AttentionItem(
            ngettext(
                "%(num)s common slot was missed in the last 24 hours",
                "%(num)s common slots were missed in the last 24 hours",
                found.missed_slots,
            ),
            gettext("Tasks that were due then were not started."),
            url_for("taskadmin_launches.index_view", show="missed"),
            False,
        )
    ]
