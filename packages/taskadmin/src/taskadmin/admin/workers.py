"""Beat, workers and queues: who is there, and what waits. Superusers only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from flask import flash, redirect
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..errors import BrokerUnavailable
from ..i18n import duration
from ..jobs import all_jobs
from ..models import ProcessKind
from ..shell import beat_of, error_page
from ..state import QueueState
from ..store import health
from ..store.process_pages import AT_EACH_END, open_runs, processes
from ..texts import gettext
from .access import ProtectedView
from .forms import ConfirmedForm
from .worker_rows import process_rows, queue_rows, troubles


class _Broker(NamedTuple):
    """What the broker said of the queues, or why it said nothing."""

    #: "answers", "away", "can't tell" or "no queue".
    answer: str
    states: Sequence[QueueState] | None = None
    #: The driver's words.
    error: str = ""


class WorkersView(ProtectedView):
    """Beat, workers and queues: who is there, and what waits."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """Processes by the ledger, queues by the broker and the ledger."""
        broker = self._ask_broker()
        state, session = self.state, self.database
        found, runs = processes(session), open_runs(session)
        lease = timedelta(seconds=state.settings.lease_seconds)
        rows = process_rows(found, runs, lease)
        return self.render(
            "taskadmin/workers.html",
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
            troubles=troubles(health.beat_lag(session), rows, state.settings),
            has_unclaimed=not all(job.record_start for job in all_jobs().values()),
            may_ask=state.ping is not None,
        )

    @expose("/ask/", methods=("POST",))
    def ask_view(self) -> ResponseReturnValue:
        """Send a message through the broker to a worker, and say how long its answer took."""
        ping = self.state.ping
        if ping is None:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        try:
            answer = ping()
        except BrokerUnavailable:
            flash(gettext("The broker can't be reached, so no worker was asked."), "danger")
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
                    "Workers can't answer, because Celery's result backend is switched off: set"
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
        """Before the database is asked: it may take a second."""
        if self.state.inspect is None:
            return _Broker("no queue")
        try:
            states = self.state.inspect()
        except BrokerUnavailable as error:
            return _Broker("away", error=str(error))
        return _Broker("can't tell") if states is None else _Broker("answers", states)
