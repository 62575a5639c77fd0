"""Spans of real workers with OpenTelemetry belong to the trace of the launch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin import service
from taskadmin.models import Launch
from taskadmin.queue import RUNS_QUEUE

pytestmark = pytest.mark.databases("postgresql")


def test_a_workers_span_is_in_the_trace_of_the_request(
    tmp_path: Path,
    host_config: dict[str, Any],
    make_app: MakeApp,
    session: Session,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run's message carries it to a process of the pool."""
    app = make_app(**host_config)
    spans = tmp_path / "spans"
    monkeypatch.setenv("SPANS", str(spans))
    processes = CeleryProcesses(tmp_path, host_config, "services.servers.traced_host:celery")
    provider = TracerProvider()
    CeleryInstrumentor().instrument(tracer_provider=provider)  # as in the process of the pages
    try:
        processes.worker("worker", RUNS_QUEUE, "-c", "1")
        task_id = make_task().id
        tracer = provider.get_tracer("page")
        with app.app_context(), tracer.start_as_current_span("POST /start") as request:
            service.start_task(task_id)
        wait_for(lambda: spans.exists() and spans.read_text().endswith("\n"), what="a span")
    finally:
        CeleryInstrumentor().uninstrument()
        processes.stop()

    trace_id = f"{request.get_span_context().trace_id:032x}"
    assert session.scalars(select(Launch)).one().trace_id == trace_id
    (span,) = (json.loads(line) for line in spans.read_text().splitlines())
    assert span["name"] == "run/taskadmin.generate_random_number_task"
    assert span["context"]["trace_id"] == f"0x{trace_id}"
    assert span["parent_id"] is not None
