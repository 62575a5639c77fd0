"""Failures page, grouped by job and exception. Superusers only."""

from __future__ import annotations

from uuid import uuid4

from flask import request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ...search.times import read_times
from ...store.reports.failures import NEWEST_FAILURES, recent_failures
from ...values.tracebacks import message_of
from ..flask_admin.access import ProtectedView


class FailuresView(ProtectedView):
    """Failures by job and exception, with counts for the last hours and days."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """Show the groups of a time (``read_times``); the runs view handles their actions."""
        times = read_times(request.args, self.viewer)
        return self.render(
            "taskadmin/dashboard/failures.html",
            failures=recent_failures(self.database, **times.span._asdict()),
            given=times.given,
            problem=times.problem,
            counted=NEWEST_FAILURES,
            message_of=message_of,
            request_key=uuid4(),
        )
