"""Validate the options of a job."""

from __future__ import annotations

import math
import re

from ..invalid import InvalidJob

#: Exclusive. RabbitMQ closes a channel whose message stays unacknowledged for half an hour
#: (consumer_timeout).
MAX_TIME_LIMIT = 1800

_NAME_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_PRINTABLE = re.compile(r"[ -~]{1,100}")


def check_options(
    *,
    name: str,
    queue: str,
    celery_task: str,
    max_attempts: int,
    backoff_seconds: float,
    soft_time_limit: float | None,
    time_limit: float,
    record_start: bool,
) -> None:
    """Validate a job's options.

    Raises:
        InvalidJob: If an option isn't valid, with its name, its value and what is expected.
    """

    def expect(fits: bool, option: str, value: object, expected: str) -> None:
        if not fits:
            raise InvalidJob(f"{option} of the job {name!r} is {value!r}; expected {expected}.")

    named = isinstance(name, str) and _NAME_PATTERN.fullmatch(name) is not None
    expect(named, "The name", name, "1 to 100 of A-Z a-z 0-9 _ . -")
    for option, text in (("queue", queue), ("celery_task", celery_task)):
        printable = isinstance(text, str) and _PRINTABLE.fullmatch(text) is not None
        expect(printable, option, text, "1 to 100 printable ASCII characters")
    whole = isinstance(max_attempts, int) and not isinstance(max_attempts, bool)
    expect(
        whole and 1 <= max_attempts <= 100,
        "max_attempts",
        max_attempts,
        "a whole number from 1 to 100",
    )
    expect(
        _is_number(backoff_seconds) and backoff_seconds >= 0,
        "backoff_seconds",
        backoff_seconds,
        "seconds as a number not below 0",
    )
    expect(
        _is_number(time_limit) and 0 < time_limit < MAX_TIME_LIMIT,
        "time_limit",
        time_limit,
        f"seconds as a number above 0 and below {MAX_TIME_LIMIT}",
    )
    expect(
        soft_time_limit is None
        or (_is_number(soft_time_limit) and 0 < soft_time_limit < time_limit),
        "soft_time_limit",
        soft_time_limit,
        f"seconds as a number above 0 and below its time_limit, {time_limit:g}",
    )
    expect(isinstance(record_start, bool), "record_start", record_start, "True or False")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
