"""Functions and parameters that can become jobs."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import Field

from services.jobs.send_mail import send_mail
from taskadmin import RegistrationError, Run, job
from taskadmin.jobs import InvalidJob, get_job

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers


def bare(x): ...  # type: ignore[no-untyped-def]


def many(*x: int) -> None: ...


def keywords(**x: int) -> None: ...


def positional(x: int, /) -> None: ...


def author(author_id: int) -> None: ...


def private(_x: int) -> None: ...


def pydantics(model_dump: int) -> None: ...


def aliased(x: Annotated[int, Field(alias="y")]) -> None: ...


def unknown(x: OnlyForCheckers) -> None: ...


def call(x: Callable[[], int]) -> None: ...


def connection(x: socket.socket) -> None: ...


def kind(x: type[int]) -> None: ...


def lazy(x: Iterable[int]) -> None: ...


def nested(x: dict[str, list[Callable[[], int]]]) -> None: ...


def wrong_default(x: int = "a") -> None: ...  # type: ignore[assignment]


def no_default(x: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013


def strange_default(x: Any = object) -> None: ...


def two_runs(a: Run, b: Run) -> None: ...


async def coroutine() -> None: ...
def generator() -> Iterable[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (bare, "The parameter x of bare has no annotation; add one, as in `x: int`"),
        (many, r"many takes \*x, but the form needs to know each parameter: name each one"),
        (keywords, r"keywords takes \*\*x"),
        (positional, "The parameter x of positional is positional-only"),
        (author, "The parameter author_id of author has a reserved name: rename it"),
        (private, "The parameter _x of private has a reserved name"),
        (pydantics, "The parameter model_dump of pydantics has a reserved name"),
        (aliased, "The parameter x of aliased has an alias"),
        (unknown, "The annotation of x of unknown can't be evaluated: name 'OnlyForCheckers'"),
        (call, "The parameter x of call has an annotation that no JSON value fits"),
        (connection, "The parameter x of connection has an annotation that can't be validated"),
        (kind, "The parameter x of kind has an annotation that no JSON value fits"),
        (lazy, "The parameter x of lazy has an annotation that no JSON value fits"),
        (nested, "The parameter x of nested has an annotation that no JSON value fits"),
        (wrong_default, "The parameter x of wrong_default has a default that doesn't fit"),
        (
            no_default,
            r"of no_default has a default that doesn't fit: .* Annotate it with `\| None`",
        ),
        (strange_default, "x of strange_default has a default that can't be stored as JSON"),
        (two_runs, "two_runs takes the Run twice: as a and b"),
        (coroutine, "coroutine is async"),
        (generator, "is a generator"),
        (lambda: None, "'<lambda>'; expected 1 to 100"),
        (len, "can't be a job"),
        (dict, "can't be a job"),
        ("send", r"Pass options by name: @job\(name='…'\)"),
    ],
)
def test_functions_that_can_not_be_jobs_are_refused(function: Any, words: str) -> None:
    """The error names function, parameter and fix."""
    with pytest.raises(InvalidJob, match=words) as caught:
        job(function)
    assert isinstance(caught.value, RegistrationError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["copy", "json", "schema", "model_size", "validate", "dict"])
def test_parameters_may_be_called_as_pydantic_calls_its_own(name: str) -> None:
    """Only names that a model requires are reserved."""
    namespace: dict[str, Any] = {}
    exec(f"def mine({name}: int, b: int = 2): ...", namespace)  # noqa: S102
    job(namespace["mine"])
    stored = get_job("mine").to_json({name: "1"})
    assert stored == {name: 1, "b": 2}
    assert get_job("mine").check(stored) == stored


def test_a_wrapped_function_has_the_parameters_of_the_inner_one() -> None:
    """As with functools.wraps."""

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    wrapped = logged(send_mail)
    job(wrapped)
    assert "to" in get_job("send_mail").arguments.model_fields
    assert get_job("send_mail").function is wrapped


@pytest.mark.parametrize("bind", [False, True])
@pytest.mark.parametrize("retried", [False, True])
def test_a_celery_task_of_the_host_becomes_a_job(bind: bool, retried: bool) -> None:
    """With the parameters of its run method, without self; a run calls the task."""
    from celery import Celery

    app = Celery("host", set_as_current=False)
    options = {"autoretry_for": (OSError,)} if retried else {}
    if bind:

        def add(self: Any, a: int, b: int = 2) -> tuple[Any, int]:
            """Add two numbers."""
            return self.name, a + b
    else:

        def add(a: int, b: int = 2) -> tuple[Any, int]:  # type: ignore[misc]
            """Add two numbers."""
            return "shop.add", a + b

    # Not a shared task, which all later applications would get.
    celery_task = app.task(name="shop.add", bind=bind, shared=False, **options)(add)
    assert job(celery_task) is celery_task
    one = get_job("shop.add")
    assert one.description == "Add two numbers."
    assert list(one.arguments.model_fields) == ["a", "b"]
    assert one.celery_task == "taskadmin.run"
    assert one.function(**one.check({"a": "1"})) == ("shop.add", 3)
    job(name="other", max_attempts=2)(celery_task)
    assert get_job("other").max_attempts == 2
