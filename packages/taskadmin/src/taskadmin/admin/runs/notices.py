"""Messages about runs that were started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flask import flash, url_for
from flask.typing import ResponseReturnValue

from ...service import Sending, Started
from ...state import get_state
from ...store.reports.run_details import reasons_of_skips, run_of_launch
from ...translation.i18n import grouped
from ...translation.texts import gettext, ngettext
from ...web.redirects import redirect

#: Maximum reasons for skipped runs in one message.
_MAX_REASONS = 2


class Notice(NamedTuple):
    """The message to show, with its Flask category."""

    sentence: str
    category: str = "success"
    #: The new launch, if there is exactly one.
    launch_id: int | None = None


def show_notice(notice: Notice, back: str) -> ResponseReturnValue:
    """Flash the notice and redirect, to the new run's page if there is exactly one."""
    flash(notice.sentence, notice.category)
    if notice.launch_id is not None:
        run_id = run_of_launch(get_state().session, notice.launch_id)
        if run_id is not None:
            return redirect(url_for("taskadmin_runs.details_view", id=run_id))
    return redirect(back)


def tasks_are_gone() -> str:
    """Return the message for tasks that no longer exist."""
    return gettext("No run was started: the tasks no longer exist.")


def notice_of(started: Started, *, gone: str) -> Notice:
    """Describe what starting runs did.

    Args:
        gone: The message if there was nothing to start.
    """
    if started.is_repeated:
        return Notice(gettext("These runs were already started; nothing was started twice."))
    only = started.launch_ids[0] if len(started.launch_ids) == 1 else None
    skips = _skips(started.launch_ids, started.skipped)
    if not started.queued:
        sentence = gone if skips is None else gettext("No run was started; %(why)s", why=skips)
        return Notice(sentence, "danger", only)
    sentence = _sending(started)
    if skips is None:
        return Notice(gettext("%(what)s.", what=sentence), launch_id=only)
    return Notice(gettext("%(one)s; %(other)s", one=sentence, other=skips), launch_id=only)


def _sending(started: Started) -> str:
    match started.sending:
        case Sending.NO_QUEUE:
            return ngettext(
                "%(num)s run queued; a launcher has to send it, because this application has"
                " no task queue",
                "%(num)s runs queued; a launcher has to send them, because this application"
                " has no task queue",
                started.queued,
            )
        case Sending.BY_LAUNCHER:
            return ngettext(
                "%(num)s run queued; the launcher sends it to the workers",
                "%(num)s runs queued; the launcher sends them to the workers",
                started.queued,
            )
        case Sending.BROKER_AWAY:
            return ngettext(
                "%(num)s run queued; it will be sent when the broker is back",
                "%(num)s runs queued; they will be sent when the broker is back",
                started.queued,
            )
        case Sending.DISABLED:
            return ngettext(
                "%(num)s run queued; it isn't sent to workers while Celery's task_always_eager is"
                " on",
                "%(num)s runs queued; they aren't sent to workers while Celery's"
                " task_always_eager is on",
                started.queued,
            )
        case _:
            return ngettext(
                "%(num)s run queued and sent to the workers",
                "%(num)s runs queued and sent to the workers",
                started.queued,
            )


def _skips(launch_ids: Sequence[int], number: int) -> str | None:
    if not number:
        return None
    reasons = reasons_of_skips(get_state().session, launch_ids)
    told = " ".join(
        reason
        if count == number
        else gettext("%(reason)s (%(count)s)", reason=reason, count=grouped(count))
        for reason, count in reasons[:_MAX_REASONS]
    )
    if len(reasons) > _MAX_REASONS:
        return ngettext(
            "%(num)s skipped: %(reasons)s Open the other runs to see their reasons.",
            "%(num)s skipped: %(reasons)s Open the other runs to see their reasons.",
            number,
            reasons=told,
        )
    return ngettext(
        "%(num)s skipped: %(reasons)s",
        "%(num)s skipped: %(reasons)s",
        number,
        reasons=told,
    )
