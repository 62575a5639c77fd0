"""Which rows an action is for: one, those that are ticked, or all that match the filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import request

from .access import number_of

#: Rows that may be ticked: twenty pages of a list. "All that match" may be ten times as many.
MAX_TICKED = 1_000
_MAX_CHOSEN = 10_000


def chosen_ids(
    ticked: Sequence[str], all_matching: Callable[[], Sequence[int]], *, largest: int
) -> list[int]:
    """Ids that the request names, in order, without those that can't be one.

    A page that asks before it acts names what it asked for (``ids``), so that exactly this is
    done, whatever matches by then. A row's own button (``only``) acts on its row, whatever is
    ticked.

    Args:
        ticked: What the boxes of the rows hold.
        all_matching: Looks up all that match, if that is wanted (``all``).
    """
    if "ids" in request.form:
        texts: Sequence[str] = request.form["ids"].split(".")[:_MAX_CHOSEN]
    elif "only" in request.args:
        texts = [request.args["only"]]
    elif request.form.get("all") == "yes":
        return sorted(all_matching())
    else:
        texts = ticked
    numbers = {number_of(text, largest=largest) for text in texts}
    return sorted(number for number in numbers if number is not None)


def is_confirmed() -> bool:
    """Whether this was asked before."""
    return request.form.get("confirmed") == "yes"


def is_for_all() -> bool:
    """Whether the request is for all that match, and not for rows that it names."""
    named = "ids" in request.form or "only" in request.args
    return request.form.get("all") == "yes" and not named
