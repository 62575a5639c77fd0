"""Descriptions from a job's docstring, in the usual styles."""

from __future__ import annotations

import pytest

from taskadmin.jobs.declaration.documentation import read_docstring

GOOGLE = """Send a mail.

    Args:
        to (str): Whom it is
            sent to.
    """
NUMPY = """Send a mail.

    Parameters
    ----------
    to : str
        Whom it is
        sent to.
    """
SPHINX = """Send a mail.

    :param to: Whom it is
        sent to.
    :returns: Nothing.
    """


def documented(text: str | None) -> tuple[str, dict[str, str]]:
    """Return the descriptions of a function with this docstring."""

    def function() -> None: ...

    function.__doc__ = text
    return read_docstring(function)


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX])
def test_each_usual_style_is_read(text: str) -> None:
    """Sections aren't part of the description."""
    assert documented(text) == ("Send a mail.", {"to": "Whom it is sent to."})


def test_a_job_needs_no_docstring() -> None:
    """Its form then has only labels."""
    assert documented(None) == ("", {})
