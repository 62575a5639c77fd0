"""The filter of a list, from a URL or a form: a tab, and a search with qualifiers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from ..jobs import all_jobs
from ..store.reports.matching import ArgumentFilter, Matching, State
from .language import parse_search, searchable
from .times import TIME_QUALIFIERS, BadTerm, Viewer, read_span, read_times

Which = TypeVar("Which", bound=Matching[Any])


@dataclass(frozen=True, slots=True)
class ListFilter(Generic[Which, State]):
    """A parsed filter."""

    #: The filter without the tab's state; the search may name a state.
    of_any_state: Which
    #: State of the tab.
    state: State | None = None
    search: str | None = None
    #: Query arguments that make this filter, for links and forms.
    given: Mapping[str, str] = field(default_factory=dict)
    #: Error in the search, as a sentence; nothing matches then.
    problem: str | None = None

    @property
    def which(self) -> Which:
        """The filter to query with."""
        return self.of_any_state if self.state is None else self.of_any_state.in_state(self.state)


def read_filter(
    values: Mapping[str, str],
    everything: Which,
    states: type[State],
    read_term: Callable[[str, str], Mapping[str, object]],
    *,
    qualifiers: Collection[str],
    of_runs: Collection[str] = (),
    viewer: Viewer | None = None,
) -> ListFilter[Which, State] | None:
    """Parse the filter of *values*; None if none of our pages links to it.

    Args:
        everything: The filter without a search.
        read_term: Returns fields of *everything* for a qualifier and its value, or raises
            ``BadTerm``.
        qualifiers: Names that can stand before a colon in the search, besides ``arg.NAME``;
            *of_runs* are those that work only in the list of runs.
        viewer: With it, *everything* has the fields ``since`` and ``until``, which arguments and
            qualifiers set.
    """
    given: Mapping[str, str] = {}
    terms: dict[str, Any] = {}
    problem = None
    if viewer is not None:
        qualifiers = (*qualifiers, *TIME_QUALIFIERS)
        span, given, problem = read_times(values, viewer)
    state = values.get("state") or None
    if state is not None:
        if state not in set(states):
            return None
        given = {**given, "state": state}
    search = searchable(values.get("search"))
    if search is not None:
        given = {**given, "search": search}
        parsed = parse_search(search, qualifiers, of_runs=of_runs)
        problem = problem or parsed.problem
        for name, value in parsed.terms.items():
            try:
                if viewer is not None and name in TIME_QUALIFIERS:
                    span = span.within(read_span(name, value, viewer))
                else:
                    terms |= read_term(name, value)
            except BadTerm as error:
                problem = problem or str(error)
        terms |= {"words": parsed.words, "arguments": tuple(_arguments(parsed.arguments))}
    if viewer is not None:
        terms |= span._asdict()
    everything = replace(everything, nothing=problem is not None, **terms)
    return ListFilter(everything, None if state is None else states(state), search, given, problem)


def _arguments(wanted: Mapping[str, str]) -> Iterator[ArgumentFilter]:
    jobs = all_jobs().items()
    for name, value in wanted.items():
        secret_of = frozenset(job for job, registered in jobs if name in registered.masked)
        yield ArgumentFilter(name, value, secret_of)
