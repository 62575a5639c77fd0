"""Choice of languages, with their numbers and times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import Babel, force_locale
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from services.browser import sign_in
from services.reading import Reading, said
from services.servers.databases import dispose_engines
from taskadmin import TaskAdmin
from taskadmin.cli import taskadmin_cli
from taskadmin.store.people import users
from taskadmin.translation import i18n, texts

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A catalogue for tests, independent of the real one."""
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


# Choice


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
    """Its first preference with a catalogue; traditional Chinese has none."""
    with reading(browser):
        assert i18n.language_tag() == tag


def test_a_persons_language_wins_on_taskadmins_pages_only(
    session: Session, client: FlaskClient, make_user: MakeUser
) -> None:
    """Also in WTForms; the host's own pages are unchanged."""
    user = make_user("ana")
    users.set_preferences(session, user, language="de", zone=None)
    sign_in(client, user)

    assert said(client, "/ours", "fr") == "de de Keine gültige, ganze Zahl."
    assert said(client, "/hosts", "fr") == "en en Not a valid integer value."
    users.set_preferences(session, user, language=None, zone=None)
    assert said(client, "/ours", "fr") == "fr fr N'est pas un entier valide."
    assert said(client, "/ours") == "en en Not a valid integer value."


def test_a_removed_language_falls_back_to_the_browsers(
    session: Session, client: FlaskClient, make_user: MakeUser
) -> None:
    """Such as one of an earlier version, or a manually written row."""
    user = make_user("ana")
    users.set_preferences(session, user, language="tlh", zone=None)

    assert said(sign_in(client, user), "/ours", "de").startswith("de de")


def test_a_locale_that_a_host_forces_is_followed(reading: Reading) -> None:
    """Within its own page, repeatedly."""
    with reading("fr"):
        tags = [i18n.language_tag()]
        for forced in ("de", "uk"):
            with force_locale(forced):
                tags.append(i18n.language_tag())
        tags.append(i18n.language_tag())

    assert tags == ["fr", "de", "uk", "fr"]


@pytest.mark.parametrize(
    ("chosen", "language"),
    [
        *(("pt_PT", "pt"), ("de_CH", "de"), ("zh", "zh"), ("zh_CN", "zh"), ("zh_TW", "en")),
        ("it", "en"),  # without a catalogue
    ],
)
@pytest.mark.usefixtures("german")
def test_a_host_may_choose_a_variant_of_a_language(
    database_url: URL, chosen: str, language: str
) -> None:
    """Texts use the nearest catalogue; numbers and times follow the host."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    Babel(app, locale_selector=lambda: chosen)
    TaskAdmin().init_app(app, db=SQLAlchemy(app))

    with app.test_request_context():
        assert texts.language() == language
        assert chosen != "it" or i18n.number(1234.5) == "1.234,5"
    dispose_engines(app)


def test_another_language_can_be_spoken_for_the_rest_of_a_request(reading: Reading) -> None:
    """Repeatedly, and back to the browser's."""
    with reading("fr"):
        tags = []
        for language in ("de", "uk", "de", None, "es"):
            i18n.speak(language)
            tags.append(i18n.language_tag())

    assert tags == ["de", "uk", "de", "fr", "es"]


# English texts


@pytest.mark.usefixtures("german")
def test_texts_are_the_readers(reading: Reading) -> None:
    """With placeholders and plural forms; English without a request."""
    with reading("de"):
        assert texts.gettext("Enter a username.") == "Name fehlt."
        assert texts.ngettext("%(num)s run", "%(num)s runs", 1) == "1 Lauf"
        assert texts.ngettext("%(num)s run", "%(num)s runs", 12_345) == "12.345 Läufe"
        assert texts.listed(["a", "b", "c"]) == "a, b und c"
    assert texts.gettext("Enter a username.") == "Enter a username."
    assert texts.ngettext("%(num)s run", "%(num)s runs", 12_345) == "12,345 runs"


@pytest.mark.usefixtures("german")
def test_template_variables_are_escaped(app: Flask, reading: Reading) -> None:
    """Text and values, except markup from templates."""
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
def test_stored_texts_are_english(reading: Reading) -> None:
    """Because others may read it."""
    with reading("de"), texts.untranslated():
        assert texts.gettext("Enter a username.") == "Enter a username."
        assert texts.ngettext("%(num)s run", "%(num)s runs", 1_000) == "1,000 runs"
        assert texts.language() == "en"


@pytest.mark.usefixtures("german")
def test_the_command_line_stays_english(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any machine, since its output is searched and quoted."""
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
    """Such as labels of forms and the menu."""
    label = i18n.lazy_gettext("Enter a username.")

    with reading("de"):
        assert str(label) == "Name fehlt."
    with reading("fr"):
        assert str(label) == "Enter a username."
