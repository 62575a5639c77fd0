"""Capped counts: counting must not read a whole large table."""

from __future__ import annotations

from sqlalchemy import ScalarSelect, Select, func, select

#: Rows to count where a page or a check only needs to know that there are many.
MAX_COUNTED = 10_000


def count_up_to(rows: Select[object], most: int) -> ScalarSelect[int]:
    """Return a scalar subquery that counts *rows*; larger counts are reported as *most*."""
    return select(func.count()).select_from(rows.limit(most).subquery()).scalar_subquery()
