"""Summaries of tracebacks."""

from __future__ import annotations

import pytest

from taskadmin.values.tracebacks import LEFT_OUT, Place, last_lines, message_of, own_place

BEGIN = "Traceback (most recent call last):\n"
OWN = (
    '  File "/app/shop/jobs.py", line 42, in probe\n    answer = get(url)\n             ^^^^^^^^\n'
)
RUNNER = '  File "/venv/lib/python3.11/site-packages/taskadmin/queue/executor/execution.py", line 9, in run\n'
PACKAGE = (
    '  File "/venv/lib/python3.11/site-packages/httpx/_api.py", line 7, in get\n    raise Slow\n'
)
PYTHON = '  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode\n    raise Bad\n'
PLACE = Place("/app/shop/jobs.py", 42, "probe", "answer = get(url)")


@pytest.mark.parametrize(
    "trace",
    [
        f"{BEGIN}{RUNNER}{OWN}{PACKAGE}{PYTHON}httpx.Slow: 5 s",
        f"{BEGIN}{OWN}ValueError: 1\n\nDuring handling …:\n\n{BEGIN}{RUNNER}{PACKAGE}httpx.Slow",
    ],
)
def test_ones_own_code_comes_first(trace: str) -> None:
    """Not a package's frame, and not taskadmin's."""
    assert own_place(trace) == PLACE
    assert PLACE.short_path == "shop/jobs.py"


def test_without_own_code_it_is_where_it_was_raised() -> None:
    """Without frames, there is no place."""
    found = own_place(f"{BEGIN}{RUNNER}{PACKAGE}httpx.Slow: 5 s")
    assert found is not None
    assert (found.line, found.code) == (7, "raise Slow")
    windows = own_place('  File "C:\\app\\jobs.py", line 1, in f\n')
    assert windows is not None
    assert (windows.short_path, windows.code) == ("app/jobs.py", "")
    assert own_place("The process is gone.") is None
    assert own_place(None) is None


@pytest.mark.parametrize(
    ("trace", "error_type", "message"),
    [
        (f"{BEGIN}{OWN}httpx.Slow: no answer", "httpx.Slow", "no answer"),
        (f"{BEGIN}{OWN}Bad: first\n  second\n", "Bad", "first"),
        (f"{BEGIN}{OWN}KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("The process is gone.", "WorkerLost", "The process is gone."),
        ("x" * 400, None, "x" * 299 + "…"),
        (None, "Boom", ""),
    ],
)
def test_the_message_is_one_line(trace: str | None, error_type: str | None, message: str) -> None:
    """The first line of the message, without the exception's name."""
    assert message_of(trace, error_type) == message


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("first\nsecond line\nthe last\n", "second line\nthe last\n"),
        ("one that is too long\nsecond line\nthe last\n", "second line\nthe last\n"),
        ("x" * 100, "x" * 25),
        ("x" * 100 + "\n", "x" * 24 + "\n"),
    ],
)
def test_a_long_text_is_cut_at_lines(text: str, last: str) -> None:
    """It says so, and isn't longer; a line that is too long alone is cut."""
    most = len(LEFT_OUT) + 1 + 25

    assert last_lines(text, most) == (text if len(text) <= most else f"{LEFT_OUT}\n{last}")
    assert len(last_lines(text, most)) <= most
    assert last_lines(text, len(text)) == text
