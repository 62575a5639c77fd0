"""Messages of taskadmin's errors."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskadmin.errors import EditConflict, HashesBusy, TaskAdminError, TooManyAttempts, Unstorable


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            EditConflict(),
            "Someone else changed this task in the meantime: reload it and try again.",
        ),
        (EditConflict("Reload task 3."), "Reload task 3."),
        (
            TooManyAttempts(retry_after=timedelta(seconds=90)),
            "Too many attempts: try again in 0:01:30.",
        ),
        (HashesBusy("Wait.", retry_after=timedelta(seconds=3)), "Wait."),
        (Unstorable("A NUL can't be stored.", name="note"), "A NUL can't be stored."),
    ],
)
def test_an_error_has_a_message_without_being_given_one(
    error: TaskAdminError, message: str
) -> None:
    """The default is the docstring of its class."""
    assert str(error) == message


def test_errors_have_attributes_for_callers() -> None:
    """Such as the wait for a header, or the argument for a form."""
    assert HashesBusy(retry_after=timedelta(seconds=3)).retry_after == timedelta(seconds=3)
    assert Unstorable("no", name="note").name == "note"
    assert Unstorable("no").name is None
