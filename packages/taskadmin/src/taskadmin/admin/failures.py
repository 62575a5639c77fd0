"""Failures: by job and exception, with counts of the last hours and days. Superusers only."""

from __future__ import annotations

from uuid import uuid4

from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..store.failures import COUNTED, recent_failures
from .access import ProtectedView
from .tracebacks import message_of


class FailuresView(ProtectedView):
    """Failures: by job and exception, with counts of the last hours and days."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """The page; what is done to a group is done by the view of runs."""
        return self.render(
            "taskadmin/failures.html",
            failures=recent_failures(self.database),
            counted=COUNTED,
            message_of=message_of,
            request_key=uuid4(),
        )
