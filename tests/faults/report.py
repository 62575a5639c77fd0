"""Results of the suite as a table, JSON or Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from .catalogue import FAULTS
from .judge import Verdict
from .mode import current_mode


@dataclass(slots=True)
class Row:
    """All repetitions of one fault."""

    fault: str
    area: str
    repetitions: int
    failed: int
    runs: int
    lost: int
    doubled: int
    executions: int
    allowed: int
    recovery_median: float | None
    recovery_max: float | None
    skipped: str | None
    problems: list[str]


def rows(verdicts: Sequence[Verdict]) -> list[Row]:
    """Return one row per fault, in the catalogue's order."""
    areas = {fault.name: fault.area for fault in FAULTS}
    order = {fault.name: place for place, fault in enumerate(FAULTS)}
    by_name: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_name.setdefault(verdict.fault, []).append(verdict)
    result = []
    for name in sorted(by_name, key=lambda name: order.get(name, len(order))):
        group = by_name[name]
        ran = [verdict for verdict in group if not verdict.skipped]
        recovery = [v.recovery_seconds for v in ran if v.recovery_seconds is not None]
        result.append(
            Row(
                fault=name,
                area=areas.get(name, "soak"),
                repetitions=len(ran),
                failed=sum(not verdict.good for verdict in ran),
                runs=sum(verdict.runs for verdict in ran),
                lost=sum(verdict.lost for verdict in ran),
                doubled=sum(verdict.doubled for verdict in ran),
                executions=sum(verdict.executions for verdict in ran),
                allowed=sum(verdict.allowed for verdict in ran),
                recovery_median=round(statistics.median(recovery), 1) if recovery else None,
                recovery_max=round(max(recovery), 1) if recovery else None,
                skipped=next((v.skipped for v in group if v.skipped), None),
                problems=sorted({problem for verdict in ran for problem in verdict.problems}),
            )
        )
    return result


def conditions(postgresql: str, broker: str) -> dict[str, Any]:
    """Return versions, machine and date."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        **{name: version(name) for name in ("taskadmin", "celery", "kombu", "amqp", "SQLAlchemy")},
        "psycopg": version("psycopg"),
        "postgresql": postgresql,
        current_mode().broker: broker,
        "cores": os.cpu_count(),
        "platform": platform.platform(),
    }


def as_json(verdicts: Sequence[Verdict], where: dict[str, Any]) -> dict[str, Any]:
    """Return all results as JSON."""
    faults = [asdict(row) for row in rows(verdicts)]
    return {"conditions": where, "total": _total(verdicts), "faults": faults}


def _total(verdicts: Sequence[Verdict]) -> dict[str, int]:
    ran = [verdict for verdict in verdicts if not verdict.skipped]
    return {
        "faults": len({verdict.fault for verdict in ran}),
        "repetitions": len(ran),
        "runs": sum(verdict.runs for verdict in ran),
        "lost": sum(verdict.lost for verdict in ran),
        "doubled": sum(verdict.doubled for verdict in ran),
        "executions": sum(verdict.executions for verdict in ran),
        "failed": sum(not verdict.good for verdict in ran),
    }


_HEAD = (
    *("fault", "repetitions", "runs", "lost", "doubled", "executions", "at most"),
    *("recovery, median s", "recovery, longest s"),
)


def _cells(row: Row) -> list[str]:
    if not row.repetitions:
        return [row.fault, "skipped", *[""] * (len(_HEAD) - 2)]
    recovery = ["" if v is None else f"{v:.1f}" for v in (row.recovery_median, row.recovery_max)]
    numbers = (row.repetitions, row.runs, row.lost, row.doubled, row.executions, row.allowed)
    return [row.fault, *map(str, numbers), *recovery]


def as_markdown(verdicts: Sequence[Verdict], where: dict[str, Any]) -> str:
    """Return the table for the documentation."""
    lines = [
        "| " + " | ".join(_HEAD) + " |",
        "|" + "|".join(["---", *["---:"] * (len(_HEAD) - 1)]) + "|",
        *("| " + " | ".join(_cells(row)) + " |" for row in rows(verdicts)),
    ]
    total = _total(verdicts)
    about = ", ".join(f"{name} {value}" for name, value in where.items())
    lines += [
        "",
        (
            f"{total['faults']} faults, {total['repetitions']} repetitions, {total['runs']} runs:"
            f" {total['lost']} lost, {total['doubled']} doubled. Measured with {about}."
        ),
        "",
    ]
    return "\n".join(lines)


def as_text(verdicts: Sequence[Verdict]) -> str:
    """Return the table for the terminal, with the problems below it."""
    found = rows(verdicts)
    table = [list(_HEAD), *map(_cells, found)]
    widths = [max(len(line[place]) for line in table) for place in range(len(_HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]
    for row in found:
        if row.skipped:
            lines.append(f"skipped: {row.fault}: {row.skipped}")
        if row.failed:
            lines.append(f"FAILED {row.failed} of {row.repetitions}: {row.fault}")
            lines += [f"    {problem}" for problem in row.problems]
    total = _total(verdicts)
    lines.append(", ".join(f"{value} {name}" for name, value in total.items()))
    return "\n".join(lines)
