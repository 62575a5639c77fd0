"""Languages: who decides on them, and how numbers and times are written in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask_babel import Babel
from flask_babel import get_locale as babel_locale
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL
from sqlalchemy.orm import Session
from wtforms import IntegerField

from fixture_types import MakeApp, MakeUser
from services.databases import dispose_engines
from taskadmin import TaskAdmin, i18n, texts
from taskadmin.cli import taskadmin_cli
from taskadmin.models import User
from taskadmin.shell import PageForm
from taskadmin.store import users

pytestmark = pytest.mark.databases("sqlite")

#: Midwinter: no zone below has summer time.
MOMENT = datetime(2026, 1, 31, 23, 4, 5, tzinfo=UTC)
Reading = Callable[..., AbstractContextManager[None]]


class Integer(PageForm):
    """A form with a message of WTForms' own."""

    number = IntegerField()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An application with pages that say which language they are in."""
    app = make_app()
    add_pages(app)
    return app


def add_pages(app: Flask) -> None:
    """A page of the host's and one of taskadmin's."""

    def language() -> str:
        form = Integer(meta={"csrf": False})
        form.validate()
        return f"{babel_locale()} {i18n.language_tag()} {' '.join(map(str, form.number.errors))}"

    app.add_url_rule("/hosts", "hosts", language, methods=["POST"])
    blueprint = Blueprint("taskadmin_test", "taskadmin_test")
    blueprint.add_url_rule("/ours", "ours", language, methods=["POST"])
    app.register_blueprint(blueprint)


def said(client: FlaskClient, path: str, browser: str = "") -> str:
    """What the page at *path* says of its language."""
    headers = {"Accept-Language": browser} if browser else {}
    return client.post(path, data={"number": "x"}, headers=headers).text


@pytest.fixture
def reading(app: Flask) -> Reading:
    """A request of somebody whose browser asks for a language."""

    @contextmanager
    def read(browser: str) -> Iterator[None]:
        with app.test_request_context(headers={"Accept-Language": browser}):
            yield

    return read


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A catalogue of our own, whatever the real one has."""
    catalog = Catalog(locale="de")
    catalog.add("Enter a username.", "Name fehlt.")
    catalog.add("<b>%(name)s</b> at 100%%", "<b>%(name)s</b> bei 100%%")
    catalog.add(("%(num)s run", "%(num)s runs"), ("%(num)s Lauf", "%(num)s Läufe"))
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "taskadmin.mo").open("wb") as file:
        write_mo(file, catalog)
    monkeypatch.setattr(i18n, "FOLDER", tmp_path)
    i18n._load.cache_clear()
    yield
    i18n._load.cache_clear()


def sign_in(client: FlaskClient, user: User) -> FlaskClient:
    """Without the log in page."""
    with client.session_transaction() as cookie:
        cookie["_user_id"] = user.get_id()
    return client


# Who decides


@pytest.mark.parametrize(
    ("browser", "tag"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT", "de"),
        ("pt-PT", "pt-BR"),
        ("es-419,es;q=0.9", "es"),
        ("uk-UA", "uk"),
        ("zh", "zh-Hans-CN"),
        ("zh-CN", "zh-Hans-CN"),
        ("zh-Hans-SG", "zh-Hans-CN"),
        ("zh-TW", "en"),
        ("zh-Hant-HK", "en"),
        ("zh-HK,fr;q=0.5", "fr"),
        ("tlh,fr;q=0.8,de;q=0.9", "de"),
        ("xx;q=oops,***,de", "de"),
        ("ja", "en"),
        ("ja-JP,en;q=0.1,de;q=0.05", "en"),
    ],
)
def test_the_browser_chooses_among_the_languages_there_are(
    reading: Reading, browser: str, tag: str
) -> None:
    """Its first wish that there is a catalogue for; Chinese in traditional script isn't one."""
    with reading(browser):
        assert i18n.language_tag() == tag


def test_a_persons_language_wins_on_taskadmins_pages_only(
    session: Session, client: FlaskClient, make_user: MakeUser
) -> None:
    """WTForms speaks it there, too; the host's own pages stay what they were."""
    user = make_user("ana")
    users.set_preferences(session, user, language="de", zone=None)
    sign_in(client, user)

    assert said(client, "/ours", "fr") == "de de Keine gültige, ganze Zahl."
    assert said(client, "/hosts", "fr").startswith("fr fr ")
    users.set_preferences(session, user, language=None, zone=None)
    assert said(client, "/ours", "fr") == said(client, "/hosts", "fr")
    assert said(client, "/ours") == "en en Not a valid integer value."


def test_a_language_that_is_gone_is_the_browsers(
    session: Session, client: FlaskClient, make_user: MakeUser
) -> None:
    """One that an earlier version had, or a row that was written by hand."""
    user = make_user("ana")
    users.set_preferences(session, user, language="tlh", zone=None)

    assert said(sign_in(client, user), "/ours", "de").startswith("de de")


def test_a_host_with_a_babel_of_its_own_keeps_its_selector(
    database_url: URL, session: Session, make_user: MakeUser
) -> None:
    """It decides for everybody who has chosen no language in taskadmin."""
    app = Flask("host")
    app.config.update(
        TESTING=True, SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url, WTF_CSRF_ENABLED=False
    )
    babel = Babel(app, locale_selector=lambda: "uk")
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    add_pages(app)
    client = app.test_client()

    assert app.extensions["babel"].instance is babel
    assert said(client, "/ours", "de").startswith("uk uk")
    assert '<html lang="uk"' in client.get("/taskadmin/login").text
    user = make_user("ana")
    users.set_preferences(session, user, language="de", zone=None)
    sign_in(client, user)
    assert said(client, "/ours").startswith("de de")
    assert said(client, "/hosts").startswith("uk uk")
    dispose_engines(app)


def test_a_language_without_a_catalogue_is_written_in_english(
    database_url: URL, make_user: MakeUser
) -> None:
    """A host may choose any; numbers and times still follow it."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    Babel(app, locale_selector=lambda: "it")
    TaskAdmin().init_app(app, db=SQLAlchemy(app))

    with app.test_request_context():
        assert texts.gettext("Enter a username.") == "Enter a username."
        assert texts.language() == "en"
        assert i18n.number(1234.5) == "1.234,5"
    dispose_engines(app)


@pytest.mark.parametrize(
    ("chosen", "language"),
    [("pt_PT", "pt"), ("de_CH", "de"), ("zh", "zh"), ("zh_CN", "zh"), ("zh_TW", "en")],
)
@pytest.mark.usefixtures("german")
def test_a_host_may_choose_a_variant_of_a_language(
    database_url: URL, chosen: str, language: str
) -> None:
    """Readers get the catalogue that they can read."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    Babel(app, locale_selector=lambda: chosen)
    TaskAdmin().init_app(app, db=SQLAlchemy(app))

    with app.test_request_context():
        assert texts.language() == language
    dispose_engines(app)


def test_another_language_can_be_spoken_for_the_rest_of_a_request(reading: Reading) -> None:
    """As often as wanted, and back to the browser's."""
    with reading("fr"):
        tags = []
        for language in ("de", "uk", "de", None, "es"):
            i18n.speak(language)
            tags.append(i18n.language_tag())

    assert tags == ["de", "uk", "de", "fr", "es"]


# What stays English


@pytest.mark.usefixtures("german")
def test_texts_are_the_readers(reading: Reading) -> None:
    """With their variables and in the plural that fits; English without a request."""
    with reading("de"):
        assert texts.gettext("Enter a username.") == "Name fehlt."
        assert texts.ngettext("%(num)s run", "%(num)s runs", 1) == "1 Lauf"
        assert texts.ngettext("%(num)s run", "%(num)s runs", 12_345) == "12.345 Läufe"
        assert texts.listed(["a", "b", "c"]) == "a, b und c"
    assert texts.gettext("Enter a username.") == "Enter a username."
    assert texts.ngettext("%(num)s run", "%(num)s runs", 12_345) == "12,345 runs"


@pytest.mark.usefixtures("german")
def test_what_is_put_into_a_template_is_escaped(app: Flask, reading: Reading) -> None:
    """Text and variables, but for markup that a template made."""
    with reading("de"):
        template = app.jinja_env.from_string(
            "{% set bold %}<i>{{ name }}</i>{% endset %}"
            '{{ ta_t("<b>%(name)s</b> at 100%%", name=name) }}'
            ' {{ ta_n("%(num)s run", "%(num)s runs", 2) }}'
            ' {{ ta_t("<b>%(name)s</b> at 100%%", name=bold) }}'
        )
        page = template.render(name="<x>")

    assert page == (
        "&lt;b&gt;&lt;x&gt;&lt;/b&gt; bei 100% 2 Läufe &lt;b&gt;<i>&lt;x&gt;</i>&lt;/b&gt; bei 100%"
    ).replace("<x>", "&lt;x&gt;")


@pytest.mark.usefixtures("german")
def test_what_is_stored_stays_english(reading: Reading) -> None:
    """Whoever causes it: somebody else may read it."""
    with reading("de"), texts.untranslated():
        assert texts.gettext("Enter a username.") == "Enter a username."
        assert texts.ngettext("%(num)s run", "%(num)s runs", 1_000) == "1,000 runs"
        assert texts.language() == "en"


@pytest.mark.usefixtures("german")
def test_the_command_line_stays_english(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever language the machine has; its output is searched and quoted."""
    for name in ("LANG", "LC_ALL", "LANGUAGE"):
        monkeypatch.setenv(name, "de_DE.UTF-8")
    monkeypatch.setenv("PASSWORD", "a long enough password")

    done = app.test_cli_runner().invoke(
        taskadmin_cli, ["create-superuser", "", "--password-env", "PASSWORD"]
    )

    assert done.exit_code == 1
    assert "Enter a username." in done.output


@pytest.mark.usefixtures("german")
def test_a_text_that_is_made_at_import_is_translated_when_it_is_shown(reading: Reading) -> None:
    """Labels of forms and of the menu."""
    label = i18n.lazy_gettext("Enter a username.")

    with reading("de"):
        assert str(label) == "Name fehlt."
    with reading("fr"):
        assert str(label) == "Enter a username."


# Numbers


@pytest.mark.parametrize(
    ("browser", "values"),
    [
        ("en", ["1,234,567.25", "−0.5", "0", "1e+300", "–"]),
        ("de", ["1.234.567,25", "−0,5", "0", "1e+300", "–"]),
        ("uk", ["1\u00a0234\u00a0567,25", "−0,5", "0", "1e+300", "–"]),
        ("zh", ["1,234,567.25", "−0.5", "0", "1e+300", "–"]),
    ],
)
def test_numbers_have_the_languages_groups_and_point(
    reading: Reading, browser: str, values: list[str]
) -> None:
    """None of their digits is rounded away."""
    with reading(browser):
        assert [i18n.number(value) for value in (1234567.25, -0.5, 0, 1e300, None)] == values


@pytest.mark.parametrize(
    ("browser", "shown", "share"),
    [("en", "1,234.57", "99.4%"), ("de", "1.234,57", "99,4\u00a0%"), ("zh", "1,234.57", "99.4%")],
)
def test_columns_have_six_digits_and_shares_one(
    reading: Reading, browser: str, shown: str, share: str
) -> None:
    """Rounded, as columns are looked over."""
    with reading(browser):
        assert i18n.short(1234.56789) == shown
        assert i18n.percent(0.994) == share
        assert i18n.percent(1).startswith("100")


# Times


@pytest.mark.parametrize(
    ("browser", "lengths"),
    [
        ("en", ["3 ms", "5.2 sec", "2 min, 5 sec", "1 hr", "3 days, 4 hr"]),
        ("de", ["3 ms", "5,2 Sek.", "2 Min., 5 Sek.", "1 Std.", "3 Tg., 4 Std."]),
        ("uk", ["3 мс", "5,2 с", "2 хв і 5 с", "1 год", "3 дн. і 4 год"]),
        ("zh", ["3毫秒", "5.2秒", "2分钟5秒", "1小时", "3天4小时"]),
    ],
)
def test_durations_have_a_fitting_unit_or_two(
    reading: Reading, browser: str, lengths: list[str]
) -> None:
    """As the language abbreviates them."""
    seconds = (0.003, 5.2, 125, 3600, 3 * 86400 + 4 * 3600 + 59 * 60)
    with reading(browser):
        found = [i18n.duration(timedelta(seconds=one)) for one in seconds]
    assert [text.replace("\u00a0", " ") for text in found] == lengths


@pytest.mark.parametrize(
    ("browser", "past", "future"),
    [
        ("en", "3 days ago", "in 2 hours"),
        ("de", "vor 3 Tagen", "in 2 Stunden"),
        ("uk", "3 дні тому", "через 2 години"),
        ("zh", "3天前", "2小时后"),
    ],
)
def test_times_are_told_from_now(reading: Reading, browser: str, past: str, future: str) -> None:
    """In whole units."""
    now = datetime.now(UTC)
    with reading(browser):
        assert i18n.ago(now - timedelta(days=3)) == past
        assert i18n.ago(now + timedelta(hours=2, seconds=5)) == future


@pytest.mark.parametrize(
    ("browser", "zone", "absolute", "clock"),
    [
        ("en", None, "Jan 31, 2026, 11:04:05 PM UTC", "11:04 PM"),
        ("de", "Europe/Berlin", "01.02.2026, 00:04:05 CET", "00:04"),
        ("uk", "Europe/Kyiv", "1 лют. 2026 р., 01:04:05 EET", "01:04"),
        ("zh", "Asia/Shanghai", "2026年2月1日 07:04:05 CST", "07:04"),
        ("en", "No/Such_Place", "Jan 31, 2026, 11:04:05 PM UTC", "11:04 PM"),
    ],
)
def test_times_are_those_of_the_readers_zone(
    session: Session,
    app: Flask,
    make_user: MakeUser,
    browser: str,
    zone: str | None,
    absolute: str,
    clock: str,
) -> None:
    """UTC where none was chosen, or where it is gone; the browser then shows its own."""
    user = make_user("ana")
    users.set_preferences(session, user, language=None, zone=zone)
    shown: list[str] = []

    def show() -> str:
        shown.extend(
            text.replace("\u202f", " ") for text in (i18n.absolute(MOMENT), i18n.clock_time(MOMENT))
        )
        return i18n.utc(MOMENT)

    app.add_url_rule("/times", "times", show)
    client = sign_in(app.test_client(), user)

    answer = client.get("/times", headers={"Accept-Language": browser})

    assert answer.text == "2026-01-31 23:04:05 UTC"
    assert shown == [absolute, clock]


def test_wall_times_have_their_weekday(reading: Reading) -> None:
    """In English as the ISO writes them, so that they sort."""
    local = datetime(2026, 1, 31, 2, 30)  # noqa: DTZ001 - what clocks show
    found = []
    for browser in ("en", "de", "zh"):
        with reading(browser):
            found.append(i18n.wall_time(local))
    assert found == ["Sat 2026-01-31 02:30", "Sa., 31. Jan. 2026 02:30", "2026年1月31日周六 02:30"]
