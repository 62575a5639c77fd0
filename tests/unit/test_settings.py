"""The TASKADMIN_* keys: defaults, conversions, validation and errors."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from taskadmin.errors import ConfigurationError
from taskadmin.settings import Settings

SECONDS_1_TO_A_DAY = "seconds as a number from 1 to 86400"
WHOLE_PAGE = "a whole number from 1 to 100000"
SCHEMA = "the name of a schema of PostgreSQL, or None"
TRACE_URL = "an address with {trace_id}, such as https://traces.example.org/{trace_id}"
MODULES = "dotted names of modules, as a list or as text with commas between them"


def read(**config: Any) -> Settings:
    return Settings.from_config({f"TASKADMIN_{key}": value for key, value in config.items()})


def test_nothing_has_to_be_configured() -> None:
    """All settings have their documented defaults."""
    assert Settings.from_config({}) == Settings(
        launch_interval_seconds=300.0,
        tick_seconds=5.0,
        page_size=2000,
        publish_timeout_seconds=1.0,
        registration=False,
        site_name="taskadmin",
        site_url=None,
    )


def test_keys_of_others_are_ignored() -> None:
    """The host's own keys aren't validated."""
    config = {"SECRET_KEY": "x", "TASKADMINISTRATOR": 1, "taskadmin_page_size": 0}
    assert Settings.from_config(config) == Settings()


@pytest.mark.parametrize(
    ("key", "raw", "field", "value"),
    [
        ("LAUNCH_INTERVAL_SECONDS", "10", "launch_interval_seconds", 10.0),
        ("LAUNCH_INTERVAL_SECONDS", 1, "launch_interval_seconds", 1.0),
        ("LAUNCH_INTERVAL_SECONDS", 86400, "launch_interval_seconds", 86400.0),
        ("TICK_SECONDS", "0.1", "tick_seconds", 0.1),
        ("PAGE_SIZE", "500", "page_size", 500),
        ("PAGE_SIZE", 500.0, "page_size", 500),
        ("PUBLISH_TIMEOUT_SECONDS", " 2.5 ", "publish_timeout_seconds", 2.5),
        ("REGISTRATION", "false", "registration", False),
        ("REGISTRATION", "No", "registration", False),
        ("REGISTRATION", "0", "registration", False),
        ("REGISTRATION", " TRUE ", "registration", True),
        ("REGISTRATION", "yes", "registration", True),
        ("REGISTRATION", "1", "registration", True),
        ("REGISTRATION", "off", "registration", False),
        ("REGISTRATION", False, "registration", False),
        ("SITE_NAME", "Ops", "site_name", "Ops"),
        ("SITE_URL", "https://a.example/ta", "site_url", "https://a.example/ta"),
        ("SCHEMA", " Jobs ", "database_schema", "Jobs"),
        ("SCHEMA", None, "database_schema", None),
        ("SITE_NAME", " Ops ", "site_name", "Ops"),
        ("JOBS", "", "jobs", ()),
        ("JOBS", "shop.jobs", "jobs", ("shop.jobs",)),
        ("JOBS", " shop.jobs, mail ,", "jobs", ("shop.jobs", "mail")),
        ("JOBS", ["shop.jobs", "mail"], "jobs", ("shop.jobs", "mail")),
        ("JOBS", ("shop.jobs",), "jobs", ("shop.jobs",)),
    ],
)
def test_values_may_be_text_from_the_environment(
    key: str, raw: Any, field: str, value: Any
) -> None:
    """Text is converted to the setting's type."""
    found = getattr(read(**{key: raw}), field)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "raw", "expected"),
    [
        ("LAUNCH_INTERVAL_SECONDS", "5m", SECONDS_1_TO_A_DAY),
        ("LAUNCH_INTERVAL_SECONDS", 0.5, SECONDS_1_TO_A_DAY),
        ("LAUNCH_INTERVAL_SECONDS", 86401, SECONDS_1_TO_A_DAY),
        ("LAUNCH_INTERVAL_SECONDS", "", SECONDS_1_TO_A_DAY),
        ("LAUNCH_INTERVAL_SECONDS", None, SECONDS_1_TO_A_DAY),
        ("LAUNCH_INTERVAL_SECONDS", True, SECONDS_1_TO_A_DAY),
        ("LAUNCH_INTERVAL_SECONDS", "nan", SECONDS_1_TO_A_DAY),
        ("LAUNCH_INTERVAL_SECONDS", "inf", SECONDS_1_TO_A_DAY),
        ("LAUNCH_INTERVAL_SECONDS", "1e400", SECONDS_1_TO_A_DAY),
        pytest.param("LAUNCH_INTERVAL_SECONDS", 10**400, SECONDS_1_TO_A_DAY, id="huge"),
        ("LAUNCH_INTERVAL_SECONDS", [300], SECONDS_1_TO_A_DAY),
        ("TICK_SECONDS", 0, "seconds as a number from 0.1 to 3600"),
        ("TICK_SECONDS", 3601, "seconds as a number from 0.1 to 3600"),
        ("PAGE_SIZE", 0, WHOLE_PAGE),
        ("PAGE_SIZE", -1, WHOLE_PAGE),
        ("PAGE_SIZE", "10.5", WHOLE_PAGE),
        ("PAGE_SIZE", 10.5, WHOLE_PAGE),
        ("PAGE_SIZE", False, WHOLE_PAGE),
        ("PAGE_SIZE", "nan", WHOLE_PAGE),
        ("PAGE_SIZE", math.inf, WHOLE_PAGE),
        pytest.param("PAGE_SIZE", 10**400, WHOLE_PAGE, id="huge whole"),
        ("PAGE_SIZE", 100_001, WHOLE_PAGE),
        ("PUBLISH_TIMEOUT_SECONDS", 0, "seconds as a number from 0.1 to 60"),
        ("PUBLISH_TIMEOUT_SECONDS", 61, "seconds as a number from 0.1 to 60"),
        ("REGISTRATION", "off?", "true or false"),
        ("REGISTRATION", 1, "true or false"),
        ("REGISTRATION", None, "true or false"),
        ("SITE_URL", "example.org", "an address such as https://example.org/taskadmin, or None"),
        ("SITE_NAME", "", "a name of 1 to 60 characters"),
        ("SITE_NAME", "   ", "a name of 1 to 60 characters"),
        ("SITE_NAME", "x" * 61, "a name of 1 to 60 characters"),
        ("MISSED_SLOTS", "later", "skip, run_once or run_all"),
        ("MISSED_SLOTS", None, "skip, run_once or run_all"),
        ("RESULT_RETENTION_DAYS", -1, "days as a number from 0 to 36500"),
        ("MISSED_SLOT_GRACE_SECONDS", 1e9, "seconds as a number from 0 to 31536000"),
        ("RESULTS_PER_TASK", 10**10, "a whole number from 0 to 1000000000"),
        ("SITE_NAME", 7, "a name of 1 to 60 characters"),
        *(("SCHEMA", raw, SCHEMA) for raw in ("", "x" * 64, "a\0b", 7)),
        *(("TRACE_URL", raw, TRACE_URL) for raw in ("", "https://a/", "javascript:{trace_id}", 7)),
        ("JOBS", "shop jobs", MODULES),
        ("JOBS", "shop/jobs.py", MODULES),
        ("JOBS", ".jobs", MODULES),
        ("JOBS", ["shop.jobs", ""], MODULES),
        ("JOBS", ["shop.jobs", 7], MODULES),
        ("JOBS", {"shop.jobs": True}, MODULES),
        ("JOBS", None, MODULES),
        ("JOBS", 7, MODULES),
    ],
)
def test_an_invalid_value_is_refused_with_the_expected_ones(
    key: str, raw: Any, expected: str
) -> None:
    """The message has the key, the value and what is expected."""
    with pytest.raises(ConfigurationError) as caught:
        read(**{key: raw})
    assert str(caught.value) == f"TASKADMIN_{key} is {raw!r}; expected {expected}."


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("TASKADMIN_LAUNCH_INTERVAL", "TASKADMIN_LAUNCH_INTERVAL_SECONDS"),
        ("TASKADMIN_REGISTER", "TASKADMIN_REGISTRATION"),
        ("TASKADMIN_SITENAME", "TASKADMIN_SITE_NAME"),
        ("TASKADMIN_PAGESIZE", "TASKADMIN_PAGE_SIZE"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(key: str, nearest: str) -> None:
    """A misspelt setting isn't ignored."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_config({key: "1"})
    assert str(caught.value) == f"{key} is not a setting of taskadmin; did you mean {nearest}?"


def test_a_secret_is_not_in_its_error() -> None:
    """Nor in the settings as text, which a log may contain."""
    with pytest.raises(ConfigurationError) as caught:
        read(METRICS_TOKEN="too short")

    assert str(caught.value) == (
        "TASKADMIN_METRICS_TOKEN is set; expected a text of at least 16 characters."
    )
    assert "sixteen" not in repr(read(METRICS_TOKEN="sixteen characters"))


def test_all_errors_are_reported_at_once() -> None:
    """With one line per key."""
    with pytest.raises(ConfigurationError) as caught:
        read(TICK_SECONDS="soon", PAGES=1, LEASE_SECONDS=60)
    assert str(caught.value) == (
        "TASKADMIN_PAGES is not a setting of taskadmin; did you mean TASKADMIN_PAGE_SIZE?\n"
        "TASKADMIN_TICK_SECONDS is 'soon'; expected seconds as a number from 0.1 to 3600."
    )


def test_settings_do_not_change_later() -> None:
    """They are read-only."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().page_size = 1
