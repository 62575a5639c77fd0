"""How long pages and their statements take, and the pool's connections: of all processes together.

These aren't in the ledger, so prometheus-client adds them up over files of the web server's
processes: https://prometheus.github.io/client_python/multiprocess/. Without their folder, a scrape
would have the numbers of the one process that responds, and there are none instead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask, g, has_request_context, request, request_started
from flask_sqlalchemy import SQLAlchemy
from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import event

from ..errors import ConfigurationError
from ..state import is_api, is_page

#: Environment variable with the folder, which prometheus-client reads when it is imported.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PAGES, _STATEMENTS = (
    Histogram(f"taskadmin_{name}", text, ["view"], buckets=_BUCKETS, registry=None)
    for name, text in (
        ("page_seconds", "Time to respond to requests of pages and the API."),
        ("page_database_seconds", "Time of all statements of such a request together."),
    )
)
_CONNECTIONS = Gauge(
    "taskadmin_database_connections",
    "Connections of the database pools: open, and those of them in use.",
    ["state"],
    multiprocess_mode="livesum",
    registry=None,
)


def measure_pages(app: Flask, db: SQLAlchemy) -> None:
    """Measure from now on, if there is a folder.

    Raises:
        ConfigurationError: If the folder doesn't exist.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    if not Path(folder).is_dir():
        raise ConfigurationError(f"{FOLDER} is {folder!r}, which isn't a folder; create it first.")

    def begin(_app: Flask, **_: Any) -> None:
        g.taskadmin_began, g.taskadmin_statement_seconds = time.perf_counter(), 0.0

    def end(_error: BaseException | None) -> None:
        if (is_page() or is_api()) and "taskadmin_began" in g:
            view = (request.blueprint or "other").removeprefix("taskadmin_")
            _PAGES.labels(view).observe(time.perf_counter() - g.taskadmin_began)
            _STATEMENTS.labels(view).observe(g.taskadmin_statement_seconds)

    request_started.connect(begin, app, weak=False)
    app.teardown_request(end)
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", _begin_statement)
    event.listen(engine, "after_cursor_execute", _end_statement)
    event.listen(engine, "handle_error", _end_statement)
    for name, state, change in (
        ("connect", "open", 1),
        ("close", "open", -1),
        ("checkout", "in_use", 1),
        ("checkin", "in_use", -1),
    ):
        gauge = _CONNECTIONS.labels(state)
        event.listen(engine, name, lambda *_, gauge=gauge, change=change: gauge.inc(change))


def page_families() -> Iterator[Metric]:
    """Return these metrics of all processes, without the host's own in the same folder."""
    if os.environ.get(FOLDER):
        collector: Any = MultiProcessCollector
        for family in collector(CollectorRegistry()).collect():
            if family.name.startswith(("taskadmin_page_", "taskadmin_database_")):
                yield family


def _begin_statement(*_: object) -> None:
    if has_request_context():
        g.taskadmin_statement_began = time.perf_counter()


def _end_statement(*_: object) -> None:
    if has_request_context() and "taskadmin_statement_began" in g:
        seconds = time.perf_counter() - g.pop("taskadmin_statement_began")
        g.taskadmin_statement_seconds = g.get("taskadmin_statement_seconds", 0.0) + seconds
