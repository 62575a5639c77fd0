"""Invalid options of jobs."""

from __future__ import annotations

from typing import Any

import pytest

from services.jobs.send_mail import send_mail
from taskadmin import job
from taskadmin.jobs import InvalidJob, all_jobs


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
        ({"masked": ("pni",)}, "names 'pni', which isn't one of its parameters"),
        ({"masked": ("run",)}, "names 'run', which isn't one of its parameters"),
        ({"masked": "pin"}, r"expected names in a tuple: \('pin',\)"),
    ],
)
def test_options_that_can_not_be_kept_are_refused(options: dict[str, Any], words: str) -> None:
    """On import, without registering the job."""
    before = dict(all_jobs())
    with pytest.raises(InvalidJob, match=words):
        job(**options)(send_mail)
    assert all_jobs() == before
