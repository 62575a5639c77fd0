"""Format the doctor's findings as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .finding import Finding, Status

_MARKS = {Status.OK: "✓", Status.WARNING: "!", Status.PROBLEM: "✗"}
#: For terminals that can't encode the others.
_PLAIN_MARKS = {Status.OK: "+", Status.WARNING: "!", Status.PROBLEM: "x"}


def as_text(findings: Sequence[Finding], *, encoding: str | None = "utf-8") -> str:
    """Format one line per finding, with its fix below, and a summary."""
    marks = _MARKS
    try:
        "".join(marks.values()).encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        marks = _PLAIN_MARKS
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.status]} {finding.name:<{width}}  {finding.found}")
        indent = " " * (width + 4)
        lines += [f"{indent}{line}" for line in (finding.fix or "").splitlines()]
    return "\n".join([*lines, "", _summary(findings)])


def as_json(findings: Sequence[Finding]) -> str:
    """Format a JSON object with ``healthy`` (no problem) and ``checks``."""
    healthy = all(finding.status != Status.PROBLEM for finding in findings)
    checks = [finding._asdict() for finding in findings]
    return json.dumps({"healthy": healthy, "checks": checks}, indent=2)


def _summary(findings: Sequence[Finding]) -> str:
    numbers = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for word in (Status.PROBLEM, Status.WARNING)
        if (count := sum(finding.status == word for finding in findings))
    ]
    return f"{', '.join(numbers)}." if numbers else "All is well."
