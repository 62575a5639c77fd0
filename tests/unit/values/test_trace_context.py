"""Traces of OpenTelemetry, as W3C's traceparent."""

from __future__ import annotations

import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from taskadmin.values.trace_context import (
    continued,
    current_traceparent,
    is_used,
    trace_id_of,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_without_a_span_there_is_no_trace() -> None:
    """Although OpenTelemetry is loaded."""
    assert is_used()
    assert current_traceparent() is None


def test_the_current_span_is_written_down() -> None:
    """With the id of its trace."""
    with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        written = current_traceparent()

    assert trace_id_of(written) == f"{span.get_span_context().trace_id:032x}"


def test_a_trace_is_continued_in_the_block() -> None:
    """Afterwards, the earlier one is current again."""
    with continued(PARENT):
        assert trace.get_current_span().get_span_context().trace_id == int(TRACE, 16)
        with continued(None):
            assert trace_id_of(current_traceparent()) == TRACE

    assert current_traceparent() is None


def test_without_opentelemetry_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that doesn't use it pays nothing."""
    for name in [name for name in sys.modules if name.split(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)

    with continued(PARENT):
        assert current_traceparent() is None

    assert not is_used()


@pytest.mark.parametrize(
    "stored", [None, "", "abc", f"01-{TRACE}-b7ad6b7169203331-01", PARENT.upper(), f"{PARENT}-x"]
)
def test_other_texts_have_no_trace(stored: str | None) -> None:
    """Such as those that another program stored."""
    assert trace_id_of(stored) is None
