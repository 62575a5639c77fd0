"""``flask taskadmin --url``: tasks, runs and jobs of another site, by its API and a token."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import click

from ..web.problems import PROBLEM_TYPE
from .group import Group
from .output import as_json, one_line, say, table
from .yaml_text import write_yaml

#: Environment variable with the token: arguments can be read by other users of the machine.
TOKEN = "TASKADMIN_TOKEN"  # noqa: S105 - a variable's name
_TIMEOUT_SECONDS = 30
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_Json = Mapping[str, Any]

remote_cli = Group("remote")
_tasks = Group("tasks", help="List, run, pause, resume and export tasks.")
_runs = Group("runs", help="List runs.")
_jobs = Group("jobs", help="List jobs.")
for _group in (_tasks, _runs, _jobs):
    remote_cli.add_command(_group)

_json_option = click.option("--json", "for_programs", is_flag=True, help="Print JSON.")
_ids_argument = click.argument("ids", nargs=-1, type=int, required=True)
_search_option = click.option("--search", default="", help="As in the search of the page.")


def call(method: str, path: str, body: object = None, *, key: str, **parameters: str) -> Any:
    """Send a request to the site of ``--url``, and return the answer's JSON.

    Args:
        key: One that the answer has, if it is the API's.

    Raises:
        click.ClickException: If there is no token, the site can't be reached, or it refuses.
    """
    import requests  # of taskadmin[api]

    base = _url()
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise click.ClickException(f"Set {TOKEN} to a personal token of that site.")
    if not (token.isascii() and token.isprintable()):
        raise click.ClickException(f"{TOKEN} has characters that no token has.")
    parts = urlsplit(base)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise click.ClickException("The address has to begin with https://: the token is secret.")
    try:
        response = requests.request(
            method,
            urljoin(f"{base.rstrip('/')}/api/v1/", path),
            json=body,
            params={name: text for name, text in parameters.items() if text},
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())},
            timeout=_TIMEOUT_SECONDS,
            allow_redirects=False,  # another site would get the token
        )
    except requests.RequestException as error:
        raise click.ClickException(f"{base} can't be reached: {_reason(error)}") from error
    kind = response.headers.get("Content-Type", "no type")
    if kind == PROBLEM_TYPE:
        raise click.ClickException(f"{response.status_code}: {_sentences(response.json())}")
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict) or key not in answer:
        raise click.ClickException(
            f"{base} has no answer of the API, but {response.status_code} {response.reason}"
            f" ({kind}). Is it the address of taskadmin's pages, such as"
            " https://example.org/taskadmin, and does that site have the API?"
        )
    return answer


def _reason(error: BaseException) -> str:
    """Return the innermost cause: those around it repeat it, with names of Python's objects."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error)


def _url() -> str:
    context: click.Context | None = click.get_current_context()
    while context is not None:
        if context.params.get("url"):
            return str(context.params["url"])
        context = context.parent
    raise click.UsageError("--url is missing.")


def _sentences(problem: _Json) -> str:
    places = [
        f"{one.get('pointer', one.get('parameter'))}: {one['detail']}"
        for one in problem.get("errors", ())
    ]
    detail = str(problem["detail"])
    return " ".join([detail, *(place for place in places if not place.endswith(f": {detail}"))])


def _all(path: str, **parameters: str) -> Iterator[_Json]:
    page = call("GET", path, key="items", **parameters)
    yield from page["items"]
    while page.get("next"):
        page = call("GET", page["next"], key="items")
        yield from page["items"]


def _show(
    found: Sequence[_Json],
    for_programs: bool,
    head: Sequence[str],
    row: Callable[[_Json], Sequence[Any]],
) -> None:
    if for_programs:
        as_json(found)
    else:
        table(head, list(map(row, found)))


@_tasks.command("list", with_appcontext=False)
@_search_option
@_json_option
def list_tasks(search: str, for_programs: bool) -> None:
    """List tasks, newest first."""
    _show(
        list(_all("tasks", search=search)),
        for_programs,
        ("id", "task", "job", "state", "next run"),
        lambda task: (
            *(task["id"], task["name"] or "–", task["job"]),
            *("paused" if task["paused"] else "active", task["schedule"]["next_due"]),
        ),
    )


@_tasks.command("run", with_appcontext=False)
@_ids_argument
def run_tasks(ids: tuple[int, ...]) -> None:
    """Start a run of each task."""
    for task_id in ids:
        started = call("POST", f"tasks/{task_id}/runs", {}, key="run_ids")
        say(f"Task {task_id}: run {', '.join(map(str, started['run_ids']))}, {started['sending']}.")


@_tasks.command("pause", with_appcontext=False)
@_ids_argument
@click.option("--note", help="The reason.")
def pause_tasks(ids: tuple[int, ...], note: str | None) -> None:
    """Pause tasks."""
    for task_id in ids:
        call("POST", f"tasks/{task_id}/pause", {"note": note}, key="paused")
        say(f"Task {task_id} is paused.")


@_tasks.command("resume", with_appcontext=False)
@_ids_argument
def resume_tasks(ids: tuple[int, ...]) -> None:
    """Resume tasks."""
    for task_id in ids:
        call("POST", f"tasks/{task_id}/resume", key="paused")
        say(f"Task {task_id} is active.")


@_tasks.command("export", with_appcontext=False)
def export_tasks() -> None:
    """Print all tasks as YAML, without secrets."""
    write_yaml(call("GET", "tasks/export", key="tasks"), sys.stdout)


@_runs.command("list", with_appcontext=False)
@_search_option
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@_json_option
def list_runs(search: str, limit: int, for_programs: bool) -> None:
    """List the newest runs."""
    _show(
        call("GET", "runs", key="items", search=search, limit=str(limit))["items"],
        for_programs,
        ("run", "task", "due", "state", "result"),
        lambda run: (
            *(run["id"], run["task"]["name"] or run["task"]["id"], run["due_at"]),
            *(run["state"], run["error_type"] or run["result"]),
        ),
    )


@_jobs.command("list", with_appcontext=False)
@_json_option
def list_jobs(for_programs: bool) -> None:
    """List the registered jobs."""
    _show(
        call("GET", "jobs", key="items")["items"],
        for_programs,
        ("job", "queue", "description"),
        lambda job: (job["name"], job["queue"], one_line(job["description"])),
    )
