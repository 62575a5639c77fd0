"""``@job``: which functions become jobs, with which options, and what is refused."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from taskadmin import RegistrationError, Run, job
from taskadmin.jobs import InvalidJob, all_jobs, get_job
from taskadmin.jobs.registry import add_job

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers


def send_mail(
    to: str,
    token: SecretStr | None = None,
    pin: int = 0,
    copies: Annotated[int, Field(ge=1, description="Said here.")] = 1,
    tags: list[str] = [],  # noqa: B006 - what hosts write
    run: Run | None = None,
) -> OnlyForCheckers | None:
    """Send a mail.

    To one person only.

    Args:
        to: Whom it is
            sent to.
        copies: Not said here.

    Returns:
        Nothing.
    """


def test_a_function_becomes_a_job_and_stays_what_it_was() -> None:
    """With the defaults that DESIGN names, and what its docstring says."""
    assert job(send_mail) is send_mail
    one = get_job("send_mail")
    assert one.function is send_mail
    assert (one.celery_task, one.queue) == ("taskadmin.run", "taskadmin.runs")
    assert (one.record_start, one.max_attempts, one.time_limit) == (True, 1, 1500.0)
    assert one.description == "Send a mail.\n\nTo one person only."
    assert one.masked == {"token"}
    assert one.run_parameter == "run"
    fields = one.arguments.model_fields
    assert list(fields) == ["to", "token", "pin", "copies", "tags"]
    assert fields["to"].description == "Whom it is sent to."
    assert fields["copies"].description == "Said here."


def test_options_are_kept() -> None:
    """Every one of them."""
    decorate = job(
        name="mail.send-1",
        queue="mail",
        max_attempts=3,
        backoff_seconds=0,
        soft_time_limit=5,
        time_limit=10,
        record_start=False,
        masked=("pin",),
        celery_task="mail.run",
    )
    assert decorate(send_mail) is send_mail
    one = get_job("mail.send-1")
    assert (one.queue, one.max_attempts, one.backoff_seconds) == ("mail", 3, 0)
    assert (one.soft_time_limit, one.time_limit, one.record_start) == (5, 10, False)
    assert one.masked == {"pin", "token"}
    assert one.celery_task == "mail.run"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "expected 1 to 100 of A-Z a-z 0-9"),
        ({"name": "a b"}, "'a b'; expected"),
        ({"name": "ä"}, "expected 1 to 100"),
        ({"name": "x" * 101}, "expected 1 to 100"),
        ({"name": "x\n"}, "expected 1 to 100"),
        ({"queue": ""}, "queue of the job 'send_mail' is ''; expected 1 to 100 printable ASCII"),
        ({"queue": "a\n"}, "printable ASCII"),
        ({"queue": "ü"}, "printable ASCII"),
        ({"queue": "x" * 101}, "printable ASCII"),
        ({"celery_task": None}, "printable ASCII"),
        ({"max_attempts": 0}, "max_attempts of the job 'send_mail' is 0; expected a whole number"),
        ({"max_attempts": 101}, "from 1 to 100"),
        ({"max_attempts": 1.5}, "from 1 to 100"),
        ({"max_attempts": True}, "from 1 to 100"),
        ({"backoff_seconds": -1}, "not below 0"),
        ({"backoff_seconds": float("inf")}, "not below 0"),
        ({"backoff_seconds": float("nan")}, "not below 0"),
        ({"time_limit": 0}, "above 0 and below 1800"),
        ({"time_limit": 1800}, "above 0 and below 1800"),
        ({"time_limit": None}, "above 0 and below 1800"),
        ({"soft_time_limit": 0}, "above 0 and below its time_limit, 1500"),
        ({"soft_time_limit": 60, "time_limit": 60}, "below its time_limit, 60"),
        ({"record_start": "no"}, "expected True or False"),
        ({"masked": ("pni",)}, "names 'pni', which is no parameter of it"),
        ({"masked": ("run",)}, "names 'run', which is no parameter of it"),
        ({"masked": "pin"}, r"expected names in a tuple: \('pin',\)"),
    ],
)
def test_options_that_can_not_be_kept_are_refused(options: dict[str, Any], words: str) -> None:
    """When the module is loaded, and nothing is registered."""
    before = dict(all_jobs())
    with pytest.raises(InvalidJob, match=words):
        job(**options)(send_mail)
    assert all_jobs() == before


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
        (bare, "The parameter x of bare has no annotation; write what it takes, as in `x: int`"),
        (many, r"many takes \*x; a job's parameters are what its form asks for: name each one"),
        (keywords, r"keywords takes \*\*x"),
        (positional, "The parameter x of positional is positional-only"),
        (author, "The parameter author_id of author has a reserved name: rename it"),
        (private, "The parameter _x of private has a reserved name"),
        (pydantics, "The parameter model_dump of pydantics has a reserved name"),
        (aliased, "The parameter x of aliased has an alias"),
        (unknown, "The annotation of x of unknown can't be read: name 'OnlyForCheckers'"),
        (call, "The parameter x of call has an annotation that no JSON value fits"),
        (connection, "The parameter x of connection has an annotation that can't be checked"),
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
        (generator, "generator yields"),
        (lambda: None, "'<lambda>'; expected 1 to 100"),
        (len, "can't be a job"),
        (dict, "can't be a job"),
        ("send", r"Options go by their names: @job\(name='…'\)"),
    ],
)
def test_functions_that_can_not_be_jobs_are_refused(function: Any, words: str) -> None:
    """By a sentence with the function, the parameter and what to do."""
    with pytest.raises(InvalidJob, match=words) as caught:
        job(function)
    assert isinstance(caught.value, RegistrationError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["copy", "json", "schema", "model_size", "validate", "dict"])
def test_parameters_may_be_called_as_pydantic_calls_its_own(name: str) -> None:
    """Only names that a model can't do without are reserved."""
    namespace: dict[str, Any] = {}
    exec(f"def mine({name}: int, b: int = 2): ...", namespace)  # noqa: S102
    job(namespace["mine"])
    stored = get_job("mine").to_json({name: "1"})
    assert stored == {name: 1, "b": 2}
    assert get_job("mine").check(stored) == stored


class Range(BaseModel):
    """A model that a host wrote."""

    low: int
    high: int = 9
    key: SecretStr | None = None


def test_a_model_may_be_given() -> None:
    """Its secrets are masked too, and what was entered isn't repeated in its errors."""

    @job(arguments=Range)
    def span(low, high, key=None): ...  # type: ignore[no-untyped-def]

    one = get_job("span")
    assert one.masked == {"key"}
    assert one.check({"low": 1}) == {"low": 1, "high": 9, "key": None}
    with pytest.raises(ValidationError) as caught:
        one.check({"low": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda low, high: None, "has no parameter key, which Range has"),
        (lambda low, high, key, more: None, "Range has no field more, which"),
    ],
)
def test_a_model_that_does_not_fit_its_function_is_refused(function: Any, words: str) -> None:
    """The first run would fail otherwise."""
    with pytest.raises(InvalidJob, match=words):
        job(name="span", arguments=Range)(function)


def test_a_model_that_takes_anything_is_refused() -> None:
    """The function couldn't take it."""

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    with pytest.raises(InvalidJob, match="Open allows other arguments than its fields"):
        job(name="open", arguments=Open)(lambda: None)


def test_a_name_belongs_to_one_function() -> None:
    """The error names both."""
    job(name="mine")(bare_of_one)
    with pytest.raises(InvalidJob) as caught:
        job(name="mine")(bare_of_two)
    assert str(caught.value) == (
        "There are two jobs called 'mine': rename one. They are "
        f"{__name__}.bare_of_one and {__name__}.bare_of_two."
    )
    assert get_job("mine").function is bare_of_one


def bare_of_one() -> None: ...
def bare_of_two() -> None: ...


def test_a_module_may_be_reloaded() -> None:
    """The same lines run again replace what they had registered."""

    def make() -> Callable[[], None]:
        @job(name="again")
        def again() -> None: ...

        return again

    make()
    second = make()
    assert get_job("again").function is second
    assert add_job(get_job("again")) is get_job("again")


def test_a_wrapped_function_has_the_parameters_of_the_inner_one() -> None:
    """As functools.wraps says."""

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
    """Its parameters are those of what it runs, without self; a run calls the task itself."""
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

    # Not shared: every application made after it would get it too.
    celery_task = app.task(name="shop.add", bind=bind, shared=False, **options)(add)
    assert job(celery_task) is celery_task
    one = get_job("shop.add")
    assert one.description == "Add two numbers."
    assert list(one.arguments.model_fields) == ["a", "b"]
    assert one.celery_task == "taskadmin.run"
    assert one.function(**one.check({"a": "1"})) == ("shop.add", 3)
    job(name="other", max_attempts=2)(celery_task)
    assert get_job("other").max_attempts == 2
