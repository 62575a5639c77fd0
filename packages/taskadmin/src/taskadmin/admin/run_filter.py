"""Which runs an address or a form asks for: plain values, and a search with qualifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..jobs import all_jobs
from ..models import RunState
from ..store.matching_runs import Matching
from ..store.run_arguments import WantedArgument
from ..texts import gettext
from .access import MAX_BIG_ID, MAX_ID, number_of
from .model_view import searchable
from .search import parse_search

#: What has a meaning before a colon in the search, beside ``arg.NAME``.
QUALIFIERS = ("job", "state", "author", "queue", "error", "worker", "task", "launch")
#: Names in an address, and the largest id of those that are one.
_IDS = {"task": MAX_ID, "launch": MAX_BIG_ID}
_TEXTS = ("job", "error")
_FIELDS = {"task": "task_id", "launch": "launch_id", "error": "error_type"}
#: In the search an exception needs no module.
_SEARCHED = {**_FIELDS, "error": "error_name"}


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What is asked for."""

    #: Of all states, unless the search names one.
    of_any_state: Matching
    #: The tab.
    state: RunState | None = None
    search: str | None = None
    #: What of the address makes the filter, for links and forms.
    given: Mapping[str, str] = field(default_factory=dict)
    #: What is wrong with the search, as a sentence; then no run matches.
    problem: str | None = None

    @property
    def which(self) -> Matching:
        """The runs that are meant."""
        if self.state is None:
            return self.of_any_state
        return _both(self.of_any_state, {"states": [self.state]})


def run_filter(values: Mapping[str, str]) -> RunFilter | None:
    """What *values* ask for; None if no page of ours links to that."""
    given: dict[str, str] = {}
    plain: dict[str, Any] = {}
    for name, largest in _IDS.items():
        if name in values:
            number = number_of(values[name], largest=largest)
            if number is None:
                return None
            plain[_FIELDS[name]], given[name] = number, str(number)
    for name in _TEXTS:
        text = searchable(values.get(name))
        if text is not None:
            plain[_FIELDS.get(name, name)] = given[name] = text
    state = values.get("state")
    if state is not None:
        if state not in set(RunState):
            return None
        given["state"] = state
    search = searchable(values.get("search"))
    wanted, problem = Matching(), None
    if search is not None:
        given["search"] = search
        wanted, problem = _searched(search)
    return RunFilter(
        _both(wanted, plain),
        None if state is None else RunState(state),
        search,
        given,
        problem,
    )


def _searched(text: str) -> tuple[Matching, str | None]:
    search = parse_search(text, QUALIFIERS)
    problem = search.problem
    terms: dict[str, Any] = {}
    for name, value in search.terms.items():
        if name in _IDS:
            number = number_of(value, largest=_IDS[name])
            terms[_FIELDS[name]] = number
            if number is None:
                problem = problem or gettext(
                    "“%(name)s:” needs a number, and “%(value)s” is none.", name=name, value=value
                )
        elif name == "state":
            if value.lower() in set(RunState):
                terms["states"] = [RunState(value.lower())]
            else:
                problem = problem or gettext(
                    "“%(value)s” is no state of a run: they are %(states)s.",
                    value=value,
                    states=", ".join(RunState),
                )
        else:
            terms[_SEARCHED.get(name, name)] = value
    arguments = tuple(_arguments(search.arguments))
    which = Matching(words=search.words, arguments=arguments, **terms)
    return (replace(which, nothing=True) if problem else which), problem


def _arguments(wanted: Mapping[str, str]) -> Iterator[WantedArgument]:
    jobs = all_jobs().items()
    for name, value in wanted.items():
        secret_of = frozenset(job for job, registered in jobs if name in registered.masked)
        yield WantedArgument(name, value, secret_of)


def _both(which: Matching, plain: Mapping[str, Any]) -> Matching:
    """What the search and the address want; nothing can be two things at once."""
    nothing = any(getattr(which, name) not in (None, value) for name, value in plain.items())
    return replace(which, **plain, nothing=which.nothing or nothing)
