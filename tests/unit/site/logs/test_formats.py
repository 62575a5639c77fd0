"""Log lines as text and as JSON."""

from __future__ import annotations

import os

import pytest

from services.logs import Log
from taskadmin_site.logs.formats import TextFormatter


@pytest.fixture
def text_log() -> Log:
    """A log as text."""
    return Log(TextFormatter())


def test_json_has_the_ids_the_library_gives(json_log: Log) -> None:
    """launch_id, task_id and run_id are separate fields."""
    json_log.logger.info("Run %d done", 3, extra={"launch_id": 1, "task_id": 2, "run_id": 3})

    (line,) = json_log.objects
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "taskadmin.worker",
        "process": os.getpid(),
        "message": "Run 3 done",
        "launch_id": 1,
        "task_id": 2,
        "run_id": 3,
    }


def test_json_exception_stays_in_one_line(json_log: Log) -> None:
    """A traceback is a field."""
    try:
        raise ValueError("no\nway")
    except ValueError:
        json_log.logger.exception("Failed")

    (line,) = json_log.objects
    assert "ValueError: no\nway" in line["exc_info"]


def test_text_has_the_context_behind_the_message(text_log: Log) -> None:
    """A text line ends with its context."""
    text_log.logger.info("Run %d done", 3, extra={"run_id": 3, "launch_id": 1})

    assert text_log.text.endswith("Z INFO    taskadmin.worker: Run 3 done [launch_id=1 run_id=3]\n")


def test_text_line_cannot_be_broken_from_outside(text_log: Log) -> None:
    """Line breaks and escape sequences in a value are escaped."""
    text_log.logger.info("GET %s", "/a\n12:00:00Z INFO forged\x1b[2J\u2028\u202e")

    assert text_log.text.count("\n") == 1
    assert r"/a\n12:00:00Z INFO forged\x1b[2J\u2028\u202e" in text_log.text
