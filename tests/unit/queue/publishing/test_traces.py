"""A run's message is part of its launch's trace, with the usual instrumentation of Celery."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from celery import Celery
from flask import Flask
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.ledger.messages import messages_in
from taskadmin import service
from taskadmin.models import Launch, TaskResult
from taskadmin.queue.publishing import sending
from taskadmin.queue.publishing.publisher import Publisher
from taskadmin.store.launches import launches
from taskadmin.store.runs.results import UnsentRun
from taskadmin.values.trace_context import trace_id_of

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def exporter(app: Flask) -> Iterator[InMemorySpanExporter]:
    """Instrument Celery and Flask, and keep their spans."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    CeleryInstrumentor().instrument(tracer_provider=provider)
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    yield kept
    FlaskInstrumentor().uninstrument_app(app)
    CeleryInstrumentor().uninstrument()
    provider.shutdown()


def test_a_request_and_its_runs_are_one_trace(
    app: Flask,
    celery: Celery,
    session: Session,
    make_task: MakeTask,
    exporter: InMemorySpanExporter,
) -> None:
    """When its message is sent in the request, and when a launcher sends it again."""
    task_id = make_task().id

    @app.post("/start")
    def start() -> str:
        service.start_task(task_id)
        return ""

    assert app.test_client().post("/start").status_code == 200

    session.rollback()
    launch = session.scalars(select(Launch)).one()
    run = session.scalars(select(TaskResult)).one()
    unsent = UnsentRun(run.id, run.due_at, run.job, run.queue)
    with Publisher(celery, timeout_seconds=5) as publisher:
        assert sending.send_again(session, publisher, [unsent]) == 1
    traces = {trace_id_of(one.headers["traceparent"]) for one in messages_in(celery)}
    assert traces == {launch.trace_id}
    spans = exporter.get_finished_spans()
    assert {span.name for span in spans} >= {"POST /start"}
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == traces


def test_launches_outside_of_a_trace_have_none(
    session: Session, count_queries: CountQueries
) -> None:
    """And no trace of their runs is looked for if there are no runs."""
    session.add(Launch(kind="manual", state="opening", request_key=uuid4()))
    with count_queries() as statements:
        assert launches.traces_of(session, []) == {}
    assert statements == []
