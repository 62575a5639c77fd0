"""The rows an action applies to: one, the ticked ones, or all that match the filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import request

from ...values.ids import parse_id

#: Maximum ticked rows: twenty pages of a list. "All matching" allows ten times as many.
MAX_TICKED = 1_000
_MAX_CHOSEN = 10_000


def chosen_ids(
    ticked: Sequence[str], all_matching: Callable[[], Sequence[int]], *, largest: int
) -> list[int]:
    """Return the ids that the request names, in order, without invalid ones.

    A confirmation page names the rows it asked about (``ids``), so exactly those are changed
    even if others match by then. A row's own button (``only``) acts on that row whatever is
    ticked.

    Args:
        ticked: Values of the rows' checkboxes.
        all_matching: Returns the ids of all matching rows; called if they are wanted (``all``).
    """
    if "ids" in request.form:
        texts: Sequence[str] = request.form["ids"].split(".")[:_MAX_CHOSEN]
    elif "only" in request.args:
        texts = [request.args["only"]]
    elif request.form.get("all") == "yes":
        return sorted(all_matching())
    else:
        texts = ticked
    numbers = {parse_id(text, largest=largest) for text in texts}
    return sorted(number for number in numbers if number is not None)


def is_confirmed() -> bool:
    """Return whether the request comes from a confirmation page."""
    return request.form.get("confirmed") == "yes"


def is_for_all() -> bool:
    """Return whether the request is for all matching rows instead of named ones."""
    named = "ids" in request.form or "only" in request.args
    return request.form.get("all") == "yes" and not named
