"""Workers page: processes and queues. Superusers only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from flask import flash
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ...errors import BrokerUnavailable, SendingDisabled
from ...jobs import all_jobs
from ...models import ProcessKind
from ...state import QueueState
from ...store.reports import health
from ...store.reports.process_pages import AT_EACH_END, list_processes, open_runs
from ...translation.i18n import duration
from ...translation.texts import gettext
from ...web.error_pages import error_page
from ...web.layout import beat_of
from ...web.redirects import redirect
from ..flask_admin.access import ProtectedView
from ..flask_admin.forms import ConfirmedForm
from ..flask_admin.fragment_cache import cache_fragments
from .rows import process_rows, queue_rows, worker_warnings


class _Broker(NamedTuple):
    """The broker's answer about its queues, or why there is none."""

    #: "answers", "away", "can't tell" or "no queue".
    answer: str
    states: Sequence[QueueState] | None = None
    #: The driver's error message.
    error: str = ""


class WorkersView(ProtectedView):
    """Processes and queues."""

    @expose("/")
    @cache_fragments
    def index_view(self) -> ResponseReturnValue:
        """Show processes from the ledger, queues from the broker and the ledger."""
        broker = self._ask_broker()
        state, session = self.state, self.database
        found, runs = list_processes(session), open_runs(session)
        lease = timedelta(seconds=state.settings.lease_seconds)
        rows = process_rows(found, runs, lease)
        return self.render(
            "taskadmin/workers/list.html",
            broker=broker,
            beat=beat_of(state),
            beats=[one for one in rows if one.process.kind == ProcessKind.BEAT],
            workers=[one for one in rows if one.process.kind == ProcessKind.WORKER],
            rows=rows,
            found=found,
            queues=queue_rows(runs, broker.states),
            runs=runs,
            looked_at=AT_EACH_END,
            lease=lease,
            tick=timedelta(seconds=state.settings.tick_seconds),
            warnings=worker_warnings(health.beat_lag(session), rows, state.settings),
            has_unclaimed=not all(job.record_start for job in all_jobs().values()),
            may_ask=state.ping is not None,
        )

    @expose("/ask/", methods=("POST",))
    def ask_view(self) -> ResponseReturnValue:
        """Ping a worker through the broker and show how long its answer took."""
        ping = self.state.ping
        if ping is None:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        try:
            answer = ping()
        except BrokerUnavailable as error:
            if isinstance(error, SendingDisabled):
                why = gettext("No worker was asked, because Celery's task_always_eager is on.")
            else:
                why = gettext("The broker can't be reached, so no worker was asked.")
            flash(why, "danger")
            return redirect(self.get_url(".index_view"))
        if answer.worker is not None:
            flash(
                gettext(
                    "%(worker)s answered after %(time)s.",
                    worker=answer.worker,
                    time=duration(answer.elapsed),
                ),
                "success",
            )
        elif not answer.is_possible:
            flash(
                gettext(
                    "Workers can't answer because Celery's result backend is disabled. Set"
                    " result_backend to “rpc://”."
                ),
                "danger",
            )
        else:
            flash(
                gettext("No worker answered within %(time)s.", time=duration(answer.elapsed)),
                "danger",
            )
        return redirect(self.get_url(".index_view"))

    def _ask_broker(self) -> _Broker:
        """Query the broker, before the database: it may take a second."""
        if self.state.inspect is None:
            return _Broker("no queue")
        try:
            states = self.state.inspect()
        except BrokerUnavailable as error:
            return _Broker("away", error=str(error))
        return _Broker("can't tell") if states is None else _Broker("answers", states)
