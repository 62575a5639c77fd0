"""A message's texts are bounded, whatever names and errors contain."""

from __future__ import annotations

import pytest

from taskadmin.models import NotifiedEvent
from taskadmin.store.notifications.messages import Counted, GatheredMessage, Told


@pytest.mark.parametrize("event", list(NotifiedEvent))
def test_each_event_has_a_sentence(event: NotifiedEvent) -> None:
    """For one and for many."""
    one, many = (Told(event, number, []).sentence for number in (1, 1234))
    assert one and many
    assert "1,234" in many or event == NotifiedEvent.SILENT


def test_the_title_is_one_short_line() -> None:
    """All events are in it as long as there is room."""
    told = [Told(event, 1234, []) for event in NotifiedEvent]
    title = GatheredMessage("Shop", told, []).title

    assert title.startswith("Shop: 1,234 runs failed, 1,234 tasks failed after a success")
    assert len(title) <= 200


def test_the_text_names_tasks_and_errors() -> None:
    """Each with its number."""
    told = [Told(NotifiedEvent.FAILED, 3, [Counted("Import", 2, 7), Counted("Other", 1, 8)])]
    message = GatheredMessage("Shop", told, [Counted("ValueError: no", 3)])

    assert message.text.splitlines() == [
        "3 runs failed",
        "- 2 × Import (task 7)",
        "- 1 × Other (task 8)",
        "",
        "Commonest errors",
        "- 3 × ValueError: no",
    ]
    assert message.details == {
        "events": [
            {
                "event": "failed",
                "count": 3,
                "subjects": [
                    {"name": "Import", "count": 2, "task_id": 7},
                    {"name": "Other", "count": 1, "task_id": 8},
                ],
            }
        ],
        "errors": [{"error": "ValueError: no", "count": 3}],
    }
