"""The doctor's findings as text and JSON."""

from __future__ import annotations

import json

from taskadmin.health import Finding, Status, as_json, as_text


def test_terminals_without_the_marks_get_others() -> None:
    """An ASCII terminal gets no UnicodeEncodeError."""
    findings = [Finding("a", Status.OK, "fine"), Finding("b", Status.WARNING, "hm", "do")]

    assert as_text(findings, encoding="ascii") == "+ a  fine\n! b  hm\n     do\n\n1 warning."
    assert json.loads(as_json(findings))["healthy"] is True
