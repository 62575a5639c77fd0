"""The trace of OpenTelemetry that something belongs to, as W3C's ``traceparent``.

Nothing here imports OpenTelemetry: without it, or if the host doesn't use it, there is no trace.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def is_used() -> bool:
    """Whether this process has loaded OpenTelemetry, as every instrumentation does."""
    return "opentelemetry.trace" in sys.modules


def current_traceparent() -> str | None:
    """Return the current span as ``traceparent``; None outside of a trace."""
    if not is_used():
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """Make what the block does part of that trace; of the current one if it is None."""
    if traceparent is None or not is_used():
        yield
        return
    from opentelemetry import context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        context.detach(token)


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace's id, 32 hexadecimal digits; None if there is none."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found and found[1]
