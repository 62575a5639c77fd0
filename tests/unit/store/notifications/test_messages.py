"""A message's texts are bounded, whatever names and errors contain."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import true
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.notifying.notices import AddRun, Notify, TellRule
from taskadmin.models import NotificationChannel, NotifiedEvent
from taskadmin.store.database.clock import now
from taskadmin.store.notifications.messages import Composer, Counted, GatheredMessage, Told
from taskadmin.store.notifications.search import add_notice


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
                    {"name": "Import", "count": 2, "task_id": 7, "url": None},
                    {"name": "Other", "count": 1, "task_id": 8, "url": None},
                ],
            }
        ],
        "errors": [{"error": "ValueError: no", "count": 3, "url": None}],
    }


@pytest.mark.parametrize(
    ("site_url", "runs", "links"),
    [
        (None, 1, []),
        ("https://a.example", 1, ["runs/details/?id=1", "runs/details/?id=1"]),
        ("https://a.example/", 2, ["tasks/details/?id=1", "runs/details/?id=2"]),
    ],
)
def test_messages_link_to_a_run_or_to_its_task(
    session: Session,
    make_task: MakeTask,
    tell: TellRule,
    add_run: AddRun,
    notify: Notify,
    site_url: str | None,
    runs: int,
    links: list[str],
) -> None:
    """And each error to its newest run, if the site's address is known."""
    tell(NotifiedEvent.FAILED)
    task = make_task()
    for _ in range(runs):
        add_run(task)
    notify()

    text = Composer(session, "Shop", site_url).compose(true()).text

    assert re.findall(r"https://a\.example/(.*)", text) == links


@pytest.mark.parametrize(
    ("event", "page"),
    [
        (NotifiedEvent.LATE, "launches/?show=missed"),
        (NotifiedEvent.SILENT, "workers/"),
        (NotifiedEvent.NO_CONSUMER, "workers/"),
    ],
)
def test_other_events_link_to_pages_of_their_own(
    session: Session, channel: NotificationChannel, event: NotifiedEvent, page: str
) -> None:
    """As far as they aren't about a task."""
    add_notice(session, channel.id, event, "key", "subject", now(session))

    message = Composer(session, "Shop", "https://a.example").compose(true())

    assert message.details["events"][0]["subjects"][0]["url"] == f"https://a.example/{page}"
