"""The host of ``celery_host`` with OpenTelemetry, as packages/taskadmin/docs/metrics.md shows.

Each process appends its spans to the file ``SPANS``, one JSON object per line.
"""

from __future__ import annotations

import os
from pathlib import Path

from celery.signals import worker_process_init
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from services.servers.celery_host import celery

__all__ = ["celery"]


def trace_worker(**_: object) -> None:
    """Trace a process of the pool."""
    provider = TracerProvider()
    exporter = ConsoleSpanExporter(
        out=Path(os.environ["SPANS"]).open("a"),  # noqa: SIM115 - as long as the process
        formatter=lambda span: span.to_json(indent=None) + "\n",
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()


worker_process_init.connect(trace_worker, weak=False)
