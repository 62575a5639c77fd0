"""``@job``: functions, options and errors."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.jobs.send_mail import send_mail
from taskadmin import job
from taskadmin.jobs import InvalidJob, get_job
from taskadmin.jobs.registry import add_job


def test_a_function_becomes_a_job_and_stays_unchanged() -> None:
    """With default options and the docstring's texts."""
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
    """All of them."""
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


def test_a_name_belongs_to_one_function() -> None:
    """The error names both functions."""
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
    """Its jobs replace the previous ones."""

    def make() -> Callable[[], None]:
        @job(name="again")
        def again() -> None: ...

        return again

    make()
    second = make()
    assert get_job("again").function is second
    assert add_job(get_job("again")) is get_job("again")
