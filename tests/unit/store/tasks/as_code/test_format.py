"""Parse a task of a file, and report problems."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from taskadmin.models import MissedRuns, Overlap
from taskadmin.schedules import InvalidSchedule, ScheduleKind
from taskadmin.store.tasks.as_code.format import Lines, line_of, read_task, shown_schedule
from taskadmin.store.tasks.schedules import ScheduleInput

LENGTH = "a length such as 90 seconds, 5 minutes, 1 hour 30 minutes or 1d"
MOMENT = "a time with its offset from UTC, such as 2027-01-01T09:00:00+00:00"
NAMES = "id, name, job, arguments, author, paused, schedule"
#: A lone surrogate: libyaml refuses it, PyYAML's own reader doesn't.
HALF = "\ud800"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (5, "A task is a mapping of names to values."),
        ({HALF: 1}, "A task is a mapping of names to values."),
        ({"jobb": "mail"}, "jobb is unknown; did you mean job?"),
        ({"x" * 80: 1}, f"{'x' * 60} is unknown; there are {NAMES}."),
        ({"id": True}, "id is true; expected a whole number."),
        ({"id": "5"}, 'id is "5"; expected a whole number.'),
        ({"job": None}, "job is null; expected a text."),
        ({"name": b"bytes"}, "name is \"b'bytes'\"; expected a text."),
        ({"arguments": "hunter2"}, "arguments: expected a mapping of names to values."),
        ({"schedule": ["5m"]}, "schedule: expected a mapping of names to values."),
        ({"schedule": {"evry": "5m"}}, "schedule: evry is unknown; did you mean every?"),
        ({"schedule": {"every": "5x"}}, f'schedule: every is "5x"; expected {LENGTH}.'),
        ({"schedule": {"every": ""}}, f'schedule: every is ""; expected {LENGTH}.'),
        ({"schedule": {"grace": 1.5}}, f"schedule: grace is 1.5; expected {LENGTH}."),
        ({"schedule": {"jitter": True}}, f"schedule: jitter is true; expected {LENGTH}."),
        ({"schedule": {"cron": None}}, "schedule: cron is null; expected a text."),
        ({"schedule": {"once": 1}}, f"schedule: once is 1; expected {MOMENT}."),
        (
            {"schedule": {"start": "2027-01-01T09:00"}},
            f'schedule: start is "2027-01-01T09:00"; expected {MOMENT}.',
        ),
        ({"schedule": {"end": HALF}}, f'schedule: end is "{HALF}"; expected {MOMENT}.'),
        ({"schedule": {"max_runs": True}}, "schedule: max_runs is true; expected a whole number."),
        (
            {"schedule": {"pause_after": 2.0}},
            "schedule: pause_after is 2.0; expected a whole number.",
        ),
        (
            {"schedule": {"missed": "never"}},
            'schedule: missed is "never"; expected one of skip, once, all.',
        ),
        (
            {"schedule": {"overlap": HALF}},
            f'schedule: overlap is "{HALF}"; expected one of allow, skip, queue_one.',
        ),
        (
            {"paused": None},
            "paused is null; expected true, false, or a mapping with note or until.",
        ),
        ({"paused": {"note": " "}}, 'paused: note is " "; expected a text of 1 to 500 characters.'),
        ({"paused": {"until": "soon"}}, f'paused: until is "soon"; expected {MOMENT}.'),
        ({"paused": {"by": "ana"}}, "paused: by is unknown; there are note, until."),
    ],
)
def test_what_a_task_cannot_have(raw: Any, told: str) -> None:
    """The message has the key, the value unless it is secret, and what is expected."""
    _, wrong = read_task(raw)
    assert [sentence for _, sentence in wrong] == [told]


def test_all_problems_are_reported_at_once() -> None:
    """Each problem has a path for its line."""
    given, wrong = read_task(
        {
            "name": "A",
            "author": 5,
            "schedule": {"every": "x", "zone": 1},
            "paused": {"note": "a\0b "},
        }
    )
    assert [path for path, _ in wrong] == [
        ("author",),
        ("schedule", "every"),
        ("schedule", "zone"),
    ]
    assert given.name == "A"
    assert given.paused is not None
    assert given.paused.note == r"a\x00b"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ({}, ScheduleInput()),
        (
            {"every": "1 hour 30 minutes", "start": "2027-01-01T09:00:00+00:00", "max_runs": 7},
            ScheduleInput(
                kind=ScheduleKind.INTERVAL,
                every_seconds=5400,
                starts_at=datetime(2027, 1, 1, 9, tzinfo=UTC),
                max_runs=7,
            ),
        ),
        (
            {
                "cron": "30 2 * * *",
                "zone": "Europe/Berlin",
                "missed": "all",
                "grace": "0 seconds",
                "overlap": "skip",
                "jitter": "1 second",
                "pause_after": 3,
            },
            ScheduleInput(
                kind=ScheduleKind.CRON,
                cron="30 2 * * *",
                zone="Europe/Berlin",
                missed_runs=MissedRuns.ALL,
                grace_seconds=0,
                overlap=Overlap.SKIP,
                jitter_seconds=1,
                pause_after=3,
            ),
        ),
        (
            {"once": "2027-01-01T09:00:00+00:00"},
            ScheduleInput(kind=ScheduleKind.ONCE, once_at=datetime(2027, 1, 1, 9, tzinfo=UTC)),
        ),
    ],
)
def test_schedules_are_read_as_they_are_shown(
    written: dict[str, Any], wanted: ScheduleInput
) -> None:
    """Names and order are the file's; defaults are left out."""
    given, wrong = read_task({"schedule": written})
    assert not wrong
    assert given.schedule is not None
    assert given.schedule.as_input() == wanted
    assert list(shown_schedule(wanted).items()) == list(written.items())


@pytest.mark.parametrize(
    ("length", "seconds"),
    [(90, 90), ("90 s", 90), ("5m", 300), ("1 h 1 min", 3660), ("1d", 86400), (10**400, 10**400)],
)
def test_lengths(length: Any, seconds: int) -> None:
    """With units or in seconds; the schedule limits them."""
    given, _ = read_task({"schedule": {"every": length}})
    assert given.schedule is not None
    assert given.schedule.every_seconds == seconds


def test_a_schedule_is_of_one_kind() -> None:
    """The error names keys that exclude each other."""
    given, _ = read_task({"schedule": {"every": "5m", "once": "2027-01-01T09:00:00+00:00"}})
    assert given.schedule is not None
    with pytest.raises(InvalidSchedule, match="every and once exclude each other"):
        given.schedule.as_input()


def test_lines_of_names() -> None:
    """For a missing key, the line of its mapping."""
    inner = Lines(4)
    inner.lines["every"] = 5
    outer = Lines(2)
    outer["schedule"] = inner
    outer.lines["schedule"] = 3
    paths: list[tuple[str, ...]] = [
        (),
        ("name",),
        ("schedule", "every"),
        ("schedule", "x"),
        ("x", "y"),
    ]
    assert [line_of(outer, path) for path in paths] == [2, 2, 5, 4, 2]
    assert line_of({}, ("name",)) is None
