"""Composed sentences, and all pages, in all languages."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import Process, ProcessKind, RunState, TaskPause, TaskResult, User
from taskadmin.store.database import clock
from taskadmin.translation.i18n import tag_of
from taskadmin.translation.languages import LANGUAGES

pytestmark = pytest.mark.databases("sqlite")

UNTIL = datetime(2199, 3, 1, 12, tzinfo=UTC)
PAUSED = {
    "en": "paused by chief until Mar 1, 2199, 12:00:00 PM UTC: moving",
    "de": "pausiert von chief bis 01.03.2199, 12:00:00 UTC: moving",
    "es": "pausada por chief hasta el 1 mar 2199, 12:00:00 UTC: moving",
    "fr": "mise en pause par chief jusqu'au 1 mars 2199, 12:00:00 UTC: moving",
    "pt-BR": "pausada por chief até 1 de mar. de 2199 12:00:00 UTC: moving",
    "uk": "призупинено (chief) до 1 бер. 2199 р., 12:00:00 UTC: moving",
    "zh-Hans-CN": "已暂停 （chief），至 2199年3月1日 12:00:00 UTC: moving",
}
PAGES = (
    *("dashboard/", "dashboard/?range=7d&table=1", "tasks/", "tasks/new/", "runs/", "launches/"),
    *("failures/", "workers/", "review/", "users/", "audit/", "profile", "preferences", "nowhere"),
    *("tasks/details/?id=1", "tasks/details/?id=1&tab=chart", "tasks/details/?id=1&tab=changes"),
    *("tasks/details/?id=1&tab=definition", "tasks/edit/?id=1", "runs/details/?id=1"),
    *("runs/details/?id=3", "review/tasks/?user=2", "users/edit/?id=1"),
)


def words(page: str) -> str:
    """Return the visible text of a page, with ordinary spaces."""
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    return " ".join(text.split())


@pytest.mark.parametrize(("tag", "sentence"), PAUSED.items())
def test_a_pause_is_shown_with_its_end_date(
    session: Session,
    superuser: FlaskClient,
    chief: User,
    make_task: MakeTask,
    tag: str,
    sentence: str,
) -> None:
    """“Until in 24 hours” is a sentence in no language."""
    task = make_task(chief, enabled=False)
    pause = session.get_one(TaskPause, task.id)
    pause.paused_by, pause.resume_at, pause.note = chief.id, UNTIL, "moving"
    session.commit()

    page = superuser.get("/taskadmin/tasks/", headers={"Accept-Language": tag}).text

    assert sentence in words(page)


@pytest.mark.parametrize("tag", [tag_of(name) for name in LANGUAGES])
def test_every_page_is_drawn_in_every_language(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], tag: str
) -> None:
    """With durations of two units, large numbers and failures."""
    began = clock.now(session) - timedelta(hours=3, minutes=5)
    for number, run in enumerate(runs):
        run.state = RunState.FAILED if number % 2 else RunState.SUCCEEDED
        run.queued_at, run.started_at = began, began + timedelta(minutes=61)
        run.finished_at = run.started_at + timedelta(seconds=65)
        run.result = None if number % 2 else 1234567.25
        run.error_type, run.error = ("ValueError", "no") if number % 2 else (None, None)
    now = clock.now(session)
    for kind, silent in ((ProcessKind.WORKER, 65), (ProcessKind.BEAT, 2)):
        seen = now - timedelta(seconds=silent)
        session.add(
            Process(
                id=uuid4(), kind=kind, name="one", host="one", pid=1, started_at=began, seen_at=seen
            )
        )
    session.commit()

    for path in PAGES:
        answer = superuser.get(f"/taskadmin/{path}", headers={"Accept-Language": tag})
        assert answer.status_code == (404 if path == "nowhere" else 200), path
        assert f'<html lang="{tag}"' in answer.text, path
        assert answer.text.count("<h1") == 1, path
