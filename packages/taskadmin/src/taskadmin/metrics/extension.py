"""``Metrics``: serve the ledger's numbers to Prometheus."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from ..errors import ConfigurationError
from ..health.probe import Probe
from ..state import QueueState, get_state, register
from ..store.database.transaction import reading
from ..store.reports.metrics import Snapshot, take_snapshot
from ..web.blueprint import checked_prefix
from ..web.problems import refuse_other_methods

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger("taskadmin.metrics")

#: Timeouts of database and broker, in seconds; Prometheus waits for 10 by default.
_DATABASE_SECONDS, _BROKER_SECONDS = 5.0, 1.5


class Metrics:
    """Adds ``/metrics``, for requests with the token ``TASKADMIN_METRICS_TOKEN``.

    Without the token and without *allowed* there is no such address. Needs the package
    ``prometheus-client``: ``pip install 'taskadmin[metrics]'``.
    """

    def init_app(
        self,
        app: Flask,
        *,
        allowed: Callable[[], bool] | None = None,
        url_prefix: str = "/taskadmin",
    ) -> None:
        """Register the address on *app*; no connection is opened.

        Args:
            allowed: Returns whether the current request may read the metrics, such as
                ``lambda: request.remote_addr == "10.0.0.9"``; the token is accepted, too, if it is
                set.
            url_prefix: Path prefix.

        Raises:
            RegistrationError: Without ``Models``, or on a second call.
            ConfigurationError: If prometheus-client isn't installed, or
                ``PROMETHEUS_MULTIPROC_DIR`` isn't a folder.
        """
        state = register(app, "Metrics", needs=("Models",))
        secret = state.settings.metrics_token
        token = "" if secret is None else secret.get_secret_value()
        if not token and allowed is None:
            return
        try:
            from .families import exposition
            from .page_times import measure_pages
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"Metrics need the package prometheus-client ({error}):"
                " pip install 'taskadmin[metrics]'"
            ) from error
        assert state.db is not None
        measure_pages(app, state.db)
        # Concurrent scrapes share what they read, and a hanging server can't hold up the process.
        ledger = Probe(lambda: _snapshot(app), seconds=_DATABASE_SECONDS)
        broker = Probe(lambda: _queues(app), seconds=_BROKER_SECONDS)
        blueprint = Blueprint("taskadmin_metrics", __name__)

        @blueprint.get("/metrics", provide_automatic_options=False)
        def metrics() -> Response:
            """Respond in Prometheus' text format; 503 if the database doesn't respond."""
            if not (_has_token(token) or (allowed is not None and allowed())):
                return _refusal(token)
            at_ledger, at_broker = ledger.start(), broker.start()  # concurrently
            try:
                snapshot = at_ledger.result()
            except Exception as error:  # noqa: BLE001 - any error means that nothing is known
                log.warning("No metrics: %s: %s", type(error).__name__, error)
                return _answer("The database doesn't respond; the log has the reason.\n", 503)
            queues = None
            try:
                queues = at_broker.result()
            except Exception as error:  # noqa: BLE001 - like that
                log.warning("No metrics of the broker: %s: %s", type(error).__name__, error)
            body, content_type = exposition(snapshot, queues)
            return _answer(body, content_type=content_type)

        prefix = checked_prefix(url_prefix)
        app.register_blueprint(blueprint, url_prefix=prefix)
        refuse_other_methods(app, f"{prefix}/metrics", lambda: _answer("Send GET.\n", 405))


def _has_token(token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return (
        token != ""
        and scheme.lower() == "bearer"
        and compare_digest(given.strip().encode(), token.encode())
    )


def _refusal(token: str) -> Response:
    if not token:
        return _answer("You may not read the metrics.\n", 403)
    response = _answer("Send the token: Authorization: Bearer …\n", 401)
    response.headers["WWW-Authenticate"] = 'Bearer realm="taskadmin metrics"'
    return response


def _answer(
    body: str | bytes, status: int = 200, content_type: str = "text/plain; charset=utf-8"
) -> Response:
    response = Response(body, status, content_type=content_type)
    response.cache_control.no_store = True
    return response


def _snapshot(app: Flask) -> Snapshot:
    with app.app_context():
        state = get_state(app)
        with reading(state.session, seconds=_DATABASE_SECONDS):
            return take_snapshot(
                state.session, lease=timedelta(seconds=state.settings.lease_seconds)
            )


def _queues(app: Flask) -> Sequence[QueueState] | None:
    """Return no queues if the broker can't report them; None means that it wasn't asked."""
    state = get_state(app)
    if state.inspect is None:
        return None
    with app.app_context():
        return state.inspect() or ()
