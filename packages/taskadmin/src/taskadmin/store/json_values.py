"""Values of JSON columns as text, and how JSON may have written what people type."""

from __future__ import annotations

import json
import math
from typing import Any

from sqlalchemy import ColumnElement, String, case, cast, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_BOOLEANS = {"yes": "true", "no": "false", "true": "true", "false": "false"}


class _json_text(FunctionElement[str]):  # noqa: N801 - written like an SQL function
    """The value that a JSON object has under a name, as text; NULL if it has none."""

    type = String()
    inherit_cache = True


@compiles(_json_text)
def _arrow(element: Any, compiler: Any, **kw: Any) -> str:
    column, name, _path = element.clauses
    return f"({compiler.process(column, **kw)} ->> {compiler.process(cast(name, String), **kw)})"


@compiles(_json_text, "sqlite")
def _extract(element: Any, compiler: Any, **kw: Any) -> str:
    # json_extract makes 1 and 0 of true and false, which JSON doesn't take for numbers.
    column, _name, path = element.clauses
    kind = func.json_type(column, path)
    value = cast(func.json_extract(column, path), String)
    found = case((kind.in_(("true", "false")), kind), else_=value)
    return f"({compiler.process(found, **kw)})"


def value_of(column: Any, name: str) -> ColumnElement[str]:
    """What the object in a JSON column has under *name*, as text; NULL if it has nothing."""
    return _json_text(column, name, f"$.{json.dumps(name, ensure_ascii=False)}")


def number_in(text: str) -> float | None:
    """The finite number that somebody typed, if it is one."""
    try:
        number = float(text.replace("−", "-"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def forms_of(text: str) -> set[str]:
    """How JSON may have written what somebody typed: 10 is 10.0, too, and yes is true."""
    forms = {text, _BOOLEANS.get(text.lower(), text)}
    number = number_in(text)
    if number is None:
        return forms
    short = f"{number:.15g}"  # SQLite's text of a number
    digits, exponent, power = short.partition("e")
    long = digits if "." in digits else f"{digits}.0"
    forms |= {repr(number), short, f"{long}{exponent}{power}"}
    if number.is_integer() and abs(number) < 1e15:
        forms.add(str(int(number)))
    return forms
