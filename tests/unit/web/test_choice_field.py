"""A select field for texts."""

from __future__ import annotations

import pytest
from wtforms import Form

from taskadmin.web.choice_field import ChoiceField


class Tea(Form):  # type: ignore[misc]  # WTForms has no types
    """A form with a choice of teas."""

    kind = ChoiceField("Kind", options={"g": "Green", "b": "<b>Black</b>"}, default="b")


def test_a_list_shows_the_chosen_one() -> None:
    """Labels are escaped."""
    assert str(Tea().kind(title="Tea")) == (
        '<select id="kind" name="kind" title="Tea"><option value="g">Green</option>'
        '<option selected value="b">&lt;b&gt;Black&lt;/b&gt;</option></select>'
    )


@pytest.mark.parametrize(("sent", "errors"), [("g", []), ("x", ["Choose one of these."])])
def test_values_that_are_not_on_the_list_are_refused(sent: str, errors: list[str]) -> None:
    """A program could send it."""
    form = Tea(data={"kind": sent})
    form.validate()
    assert list(form.kind.errors) == errors
