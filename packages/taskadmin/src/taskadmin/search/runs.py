"""The filter of the list of runs: exact values, and a search with qualifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..models import RunState
from ..store.reports.matching_runs import MatchingRuns
from ..translation.texts import gettext
from ..values.ids import MAX_BIG_ID, MAX_ID, parse_id
from .language import searchable
from .list_filter import ListFilter, read_filter
from .times import BadTerm, Viewer

RUN_QUALIFIERS = ("job", "state", "author", "queue", "error", "worker", "task", "launch")
#: Query arguments that are ids, with their largest value.
_LARGEST_IDS = {"task": MAX_ID, "launch": MAX_BIG_ID}
_TEXTS = ("job", "error")
_FIELDS = {"task": "task_id", "launch": "launch_id", "error": "error_type"}
#: In the search, an exception can be named without its module.
_SEARCH_FIELDS = {**_FIELDS, "error": "error_name"}


def run_filter(
    values: Mapping[str, str], viewer: Viewer
) -> ListFilter[MatchingRuns, RunState] | None:
    """Parse the filter of *values*; None if none of our pages links to it."""
    given: dict[str, str] = {}
    plain: dict[str, Any] = {}
    for name, largest in _LARGEST_IDS.items():
        if name in values:
            number = parse_id(values[name], largest=largest)
            if number is None:
                return None
            plain[_FIELDS[name]], given[name] = number, str(number)
    for name in _TEXTS:
        text = searchable(values.get(name))
        if text is not None:
            plain[_FIELDS.get(name, name)] = given[name] = text
    found = read_filter(
        values, MatchingRuns(), RunState, _read_term, qualifiers=RUN_QUALIFIERS, viewer=viewer
    )
    if found is None:
        return None
    which = found.of_any_state
    # Two different values for one column match nothing.
    nothing = any(getattr(which, name) not in (None, value) for name, value in plain.items())
    which = replace(which, **plain, nothing=which.nothing or nothing)
    return replace(found, of_any_state=which, given={**given, **found.given})


def _read_term(name: str, value: str) -> Mapping[str, object]:
    if name in _LARGEST_IDS:
        number = parse_id(value, largest=_LARGEST_IDS[name])
        if number is None:
            raise BadTerm(
                gettext(
                    "Enter a number after “%(name)s:”; “%(value)s” is not a number.",
                    name=name,
                    value=value,
                )
            )
        return {_FIELDS[name]: number}
    if name != "state":
        return {_SEARCH_FIELDS.get(name, name): value}
    if value.lower() not in set(RunState):
        raise BadTerm(
            gettext(
                "“%(value)s” is not a run state. The states are %(states)s.",
                value=value,
                states=", ".join(RunState),
            )
        )
    return {"states": [RunState(value.lower())]}
