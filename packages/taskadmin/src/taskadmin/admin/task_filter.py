"""Which tasks an address or a form asks for: a tab, and a search with qualifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..jobs import all_jobs
from ..store.matching_tasks import MatchingTasks, TaskArgument, TaskState
from ..texts import gettext, listed
from .model_view import searchable
from .search import parse_search

#: What has a meaning before a colon in the search, beside ``arg.NAME``.
QUALIFIERS = ("job", "author", "queue", "state")
#: What is known of runs only.
RUN_QUALIFIERS = ("error", "worker", "task", "launch")
#: Runs fail, tasks are failing: who searches needn't know the difference.
_STATES = {**{state.value: state for state in TaskState}, "failed": TaskState.FAILING}


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What is asked for."""

    #: Of all states, unless the search names one.
    of_any_state: MatchingTasks
    #: The tab.
    state: TaskState | None = None
    search: str | None = None
    #: What of the address makes the filter, for links and forms.
    given: Mapping[str, str] = field(default_factory=dict)
    #: What is wrong with the search, as a sentence; then no task matches.
    problem: str | None = None

    @property
    def which(self) -> MatchingTasks:
        """The tasks that are meant."""
        if self.state is None:
            return self.of_any_state
        return replace(self.of_any_state, states={*self.of_any_state.states, self.state})


def task_filter(values: Mapping[str, str], *, moment: datetime) -> TaskFilter | None:
    """What *values* ask for; None if no page of ours links to that.

    Args:
        moment: The database's time.
    """
    given: dict[str, str] = {}
    state = values.get("state") or None
    if state is not None:
        if state not in set(TaskState):
            return None
        given["state"] = state
    which, problem = MatchingTasks(known_jobs=all_jobs().keys(), moment=moment), None
    search = searchable(values.get("search"))
    if search is not None:
        given["search"] = search
        wanted, problem = _searched(search)
        which = replace(which, **wanted, nothing=problem is not None)
    return TaskFilter(which, None if state is None else TaskState(state), search, given, problem)


def _searched(text: str) -> tuple[dict[str, Any], str | None]:
    """Fields of ``MatchingTasks``, and what is wrong with the search."""
    search = parse_search(text, QUALIFIERS, of_runs=RUN_QUALIFIERS)
    problem = search.problem
    wanted: dict[str, Any] = {
        "words": search.words,
        "arguments": tuple(_arguments(search.arguments)),
    }
    for name, value in search.terms.items():
        if name == "queue":
            wanted["jobs"] = [job.name for job in all_jobs().values() if job.queue == value]
        elif name != "state":
            wanted[name] = value
        elif value.lower() in _STATES:
            wanted["states"] = [_STATES[value.lower()]]
        else:
            problem = problem or gettext(
                "“%(value)s” is no state of a task: they are %(states)s.",
                value=value,
                states=listed(list(TaskState)),
            )
    return wanted, problem


def _arguments(wanted: Mapping[str, str]) -> Iterator[TaskArgument]:
    jobs = all_jobs().items()
    for name, value in wanted.items():
        secret_of = frozenset(job for job, registered in jobs if name in registered.masked)
        yield TaskArgument(name, value, secret_of)
