"""Read values of JSON columns as text, and list the ways JSON writes what people type."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, String, Text, and_, case, cast, func, null, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_BOOLEANS = {"yes": "true", "no": "false", "true": "true", "false": "false"}


#: Regular expressions for escapes that PostgreSQL stores in JSON but can't extract: NUL and lone
#: surrogates. The second one also matches whole pairs, as group 1.
_SUSPECT = r"\\u(0000|[dD][89a-fA-F])"
_UNTAKEABLE = r"(\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..|\\u0000"
#: Characters that every JSON encoder writes unescaped.
_UNESCAPED = re.compile(r"[A-Za-z0-9 _.,:;@=+*-]+")


class _json_text(FunctionElement[str]):  # noqa: N801 - written like an SQL function
    """The text of a JSON object's value under a name; NULL if there is none.

    It never fails, whatever the column contains: one bad row would fail the statement for all.
    """

    type = String()
    inherit_cache = True


@compiles(_json_text)
def _arrow(element: Any, compiler: Any, **kw: Any) -> str:
    column, name, _path = element.clauses
    json = compiler.process(column, **kw)
    key = compiler.process(cast(name, String), **kw)
    text = f"CAST({json} AS text)"
    # PostgreSQL's parser is recursive, so JSON that may have thousands of levels isn't parsed.
    # CASE evaluates its conditions in order.
    return (
        f"(CASE WHEN octet_length({text}) > 10000"
        f" AND length({text}) - length(translate({text}, '[{{', '')) > 5000 THEN NULL"
        f" WHEN strpos({text}, '\\u') = 0 OR {text} !~ '{_SUSPECT}' THEN {json} ->> {key}"
        f" ELSE CAST(regexp_replace({text}, '{_UNTAKEABLE}', '\\1', 'g') AS json) ->> {key} END)"
    )


@compiles(_json_text, "sqlite")
def _extract(element: Any, compiler: Any, **kw: Any) -> str:
    # json_extract returns true and false as 1 and 0, which JSON doesn't take for numbers.
    column, _name, path = element.clauses
    kind = func.json_type(column, path)
    value = cast(func.json_extract(column, path), String)
    as_text = case(
        (func.json_valid(column) == 0, null()),
        (kind.in_(("true", "false")), kind),
        else_=value,
    )
    return f"({compiler.process(as_text, **kw)})"


def value_of(column: object, name: str, values: Collection[str] = ()) -> ColumnElement[str]:
    """Return the value under *name* of the object in a JSON column, as text, or NULL.

    Args:
        values: If given, any other value may be NULL too, so that most rows needn't be parsed.
    """
    text = cast(column, Text)
    likely = [text.contains(f'"{name}"', autoescape=True)] if _UNESCAPED.fullmatch(name) else []
    pieces = {max(_UNESCAPED.findall(one), key=len, default="") for one in values}
    pieces = {one for one in pieces if not any(other in one for other in pieces - {one})}
    # Shorter pieces occur in nearly every row.
    if pieces and all(len(piece) > 2 for piece in pieces):
        likely.append(or_(*(text.contains(one, autoescape=True) for one in sorted(pieces))))
    value = _json_text(column, name, f"$.{json.dumps(name, ensure_ascii=False)}")
    return case((and_(*likely), value)) if likely else value


def number_in(text: str) -> float | None:
    """Parse *text* as a finite number; None if it isn't one."""
    try:
        number = float(text.replace("−", "-"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def forms_of(text: str) -> set[str]:
    """Return the ways JSON may write *text*: 10 may be 10.0, and yes may be true."""
    forms = {text, _BOOLEANS.get(text.lower(), text)}
    number = number_in(text)
    if number is None:
        return forms
    short = f"{number:.15g}"  # as SQLite writes a number
    digits, exponent, power = short.partition("e")
    long = digits if "." in digits else f"{digits}.0"
    forms |= {repr(number), short, f"{long}{exponent}{power}"}
    if number.is_integer() and abs(number) < 1e15:
        forms.add(str(int(number)))
    return forms
