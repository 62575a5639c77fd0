"""The audit trail's page and exports."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from services.pages import cells
from taskadmin.models import User
from taskadmin.store.people import audit, users
from taskadmin.store.people.audit import Actor, Change, Filter, Subject
from taskadmin.store.tasks import pauses

ADA = Actor(41, "ada", "192.0.2.1")
ANA = Actor(None, "=cmd()", "command line")


@pytest.fixture
def entries(session: Session) -> None:
    """Two entries by two users."""
    audit.record(session, ADA, "created", Subject("task", 7, "+Dice"), after={"name": "+Dice"})
    audit.record(
        session,
        ANA,
        "changed",
        Subject("user", 8, "bea <b>"),
        before={"is_active": True, "gone": 1},
        after={"is_active": False, "note": "<script>"},
    )
    session.commit()


def test_a_change_of_roles_is_on_the_page(
    superuser: FlaskClient, chief: User, make_user: MakeUser
) -> None:
    """With both users, the old roles and the address."""
    user = make_user("ana")
    roles = {"is_active": "y", "can_review_tasks": "y"}
    for _ in range(2):  # saving again changes nothing
        superuser.post(
            f"/taskadmin/users/edit/?id={user.id}",
            data=roles,
            environ_overrides={"REMOTE_ADDR": "192.0.2.77"},
        )

    page = superuser.get("/taskadmin/audit/").text

    assert page.count("192.0.2.77") == 1
    assert f'href="/taskadmin/audit/?actor={chief.id}">chief</a>' in page
    what = '<span class="what">changed</span> <a class="name" href="/taskadmin/audit/'
    assert f'{what}?kind=user&amp;id={user.id}">ana</a>' in page
    change = page.partition('data-label="Change">')[2].partition("</td>")[0]
    assert re.sub(r"<[^>]+>|\s+", "", change) == "Reviewer:no→yes"


def test_a_change_that_is_refused_leaves_no_entry(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """The last superuser can't be demoted."""
    superuser.post(f"/taskadmin/users/edit/?id={chief.id}", data={"is_active": "y"})

    assert audit.page(session, Filter(), limit=9) == []


@pytest.mark.usefixtures("entries")
def test_user_input_is_escaped(superuser: FlaskClient) -> None:
    """Names and values are escaped; added and removed values have a dash on the other side."""
    page = superuser.get("/taskadmin/audit/").text

    assert "<script>" not in page.split("<main", 1)[-1].replace("&lt;script&gt;", "")
    assert "bea &lt;b&gt;" in page
    assert '<span class="muted">Active:</span> yes → no' in page
    assert '<span class="muted">gone:</span> <span class="mono">1</span> → ' in page


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["+Dice", "bea"]),
        ("actor=41", ["+Dice"]),
        ("action=changed", ["bea"]),
        ("kind=user&id=8", ["bea"]),
        ("text=DICE", ["+Dice"]),
        ("text=nobody", []),
        ("before=2", ["+Dice"]),
        ("action=&kind=&text=&id=&actor=&before=x", ["+Dice", "bea"]),
    ],
)
def test_entries_are_filtered(superuser: FlaskClient, query: str, shown: list[str]) -> None:
    """By the query; empty fields are ignored."""
    page = superuser.get(f"/taskadmin/audit/?{query}").text

    found = [row[2] for row in cells(page)]
    assert [name for name in ("+Dice", "bea") if name in " ".join(found)] == shown
    assert ("No matching entries" in page) == (not shown)


@pytest.mark.parametrize(
    "query",
    ["actor=x", "actor=0", "id=99999999999999999999", "kind=launch", "action=%00", "action=x"],
)
def test_invalid_parameters_are_not_found(superuser: FlaskClient, query: str) -> None:
    """As a page and as an export."""
    for path in ("", "export/csv/", "export/json/"):
        assert superuser.get(f"/taskadmin/audit/{path}?{query}").status_code == 404
    assert superuser.get("/taskadmin/audit/export/xml/").status_code == 404


def test_long_trails_come_in_pages(session: Session, superuser: FlaskClient) -> None:
    """Entries that aren't of one act, or are shown apart."""
    for number in range(1, 61):
        audit.record(session, ADA, "created", Subject("task", number, f"task{number:02}"))
    session.commit()

    first = superuser.get("/taskadmin/audit/?kind=task&each=1").text

    assert "task60" in first
    assert "task10" not in first
    assert 'href="/taskadmin/audit/?before=11&amp;each=1&amp;kind=task">Older' in first
    second = superuser.get("/taskadmin/audit/?before=11&kind=task&each=1").text
    assert "task10" in second
    assert "Older" not in second


@pytest.mark.usefixtures("entries")
def test_the_csv_export_is_safe_for_spreadsheets(superuser: FlaskClient) -> None:
    """Names that look like formulas are escaped."""
    answer = superuser.get("/taskadmin/audit/export/csv/")

    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == "attachment; filename=audit.csv"
    export, newest, oldest = csv.DictReader(io.StringIO(answer.text))
    assert (export["action"], export["subject"]) == ("exported", "audit.csv")
    assert (newest["actor"], newest["source"]) == ("'=cmd()", "command line")
    assert (oldest["actor_id"], oldest["subject"]) == ("41", "'+Dice")
    assert json.loads(newest["after"]) == {"is_active": False, "note": "<script>"}
    assert oldest["before"] == ""


@pytest.mark.usefixtures("entries")
def test_the_json_export_has_the_matching_rows(superuser: FlaskClient) -> None:
    """As objects with the columns' names; an empty export is valid, too."""
    answer = superuser.get("/taskadmin/audit/export/json/?actor=41")

    [entry] = json.loads(answer.text)
    assert entry["subject"] == "+Dice"
    assert entry["at"].endswith("+00:00")
    assert entry["after"] == {"name": "+Dice"}
    assert json.loads(superuser.get("/taskadmin/audit/export/json/?actor=42").text) == []


def test_an_export_reads_in_batches(
    session: Session, superuser: FlaskClient, count_queries: CountQueries
) -> None:
    """A thousand entries at a time, by id."""
    changes = [audit.Change(Subject("task", 1, "Dice"))] * 2_001
    audit.record_many(session, ADA, "started", changes)
    session.commit()

    with count_queries() as statements:
        lines = superuser.get("/taskadmin/audit/export/csv/").text.splitlines()

    assert len(lines) == 2_003  # the export's own entry is the newest
    reading = [one for one in statements if "FROM taskadmin_audit" in one]
    assert len(reading) == 3


@pytest.mark.databases("sqlite")
@pytest.mark.usefixtures("entries")
def test_the_filter_speaks_the_persons_language(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """Names of values, too; addresses and the values themselves aren't translated."""
    users.set_preferences(session, chief, language="de", zone=None)

    page = superuser.get("/taskadmin/audit/?action=changed").text

    assert '<option value="changed" selected>' in page
    assert ">Aktiv:</span> ja → nein" in page
    assert page.count("bea &lt;b&gt;") == 1


def test_one_act_is_one_row(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """With its number and the first entries; all of them, each in a row, are behind a link."""
    tasks = [make_task(name=f"Task {number}") for number in range(60)]
    actor = Actor(chief.id, "chief", "192.0.2.9")
    pauses.pause_tasks(session, [task.id for task in tasks], actor=actor, note="Repair")
    for _ in range(2):  # two acts, although they follow each other at once
        audit.record(session, actor, "resumed", audit.subject_of(tasks[0]))
    session.commit()

    page = superuser.get("/taskadmin/audit/").text

    assert page.count("192.0.2.9") == 3
    assert '<span class="what">paused</span> <span class="name">60 tasks</span>' in page
    assert page.count("Repair") == 20
    assert '<span class="what">resumed</span> <a class="name"' in page
    (link,) = re.findall(r'<a href="([^"]+)">All of them', page)
    apart = superuser.get(unescape(link)).text
    assert apart.count("192.0.2.9") == apart.count("Repair") == 50
    older = re.findall(r'<a href="([^"]+)">Older', apart)[0]
    assert superuser.get(unescape(older)).text.count("Repair") == 10


def test_an_act_that_is_too_long_is_counted_as_far_as_it_was_read(
    session: Session, superuser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next page goes on with it; an act that may continue isn't cut in two."""
    monkeypatch.setattr(audit, "_READ_ENTRIES", 5)
    actor = Actor(None, "program", "here")
    for action, number in (("deleted", 7), ("paused", 2)):
        subjects = [Subject("task", 1 + place, f"Task {place}") for place in range(number)]
        audit.record_many(session, actor, action, [Change(subject) for subject in subjects])
    session.commit()

    page = superuser.get("/taskadmin/audit/").text

    assert "2 tasks" in page and "deleted</span>" not in page
    older = re.findall(r'<a href="([^"]+)">Older', page)[0]
    assert "5 or more · Tasks" in superuser.get(unescape(older)).text
