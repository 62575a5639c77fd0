"""Language and time zone of a person."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from services.browser import hidden_fields
from services.pages import field_errors, form_values, messages
from taskadmin.i18n import LANGUAGES
from taskadmin.models import User
from taskadmin.texts import gettext

PAGE = "/taskadmin/preferences"


@pytest.fixture
def anas(client: FlaskClient, ana: User) -> FlaskClient:
    """The browser of somebody without rights, which asks for English."""
    with client.session_transaction() as cookie:
        cookie["_user_id"] = ana.get_id()
    return client


def test_a_choice_is_kept_and_shown_at_once(session: Session, anas: FlaskClient, ana: User) -> None:
    """On every page from then on, in the language itself and by the zone's clock."""
    answer = anas.post(PAGE, data={"language": "uk", "zone": "Asia/Tokyo"})

    assert answer.location == PAGE
    session.expire_all()
    assert (ana.language, ana.zone) == ("uk", "Asia/Tokyo")
    page = anas.get(PAGE).text
    assert '<html lang="uk" data-zone="Asia/Tokyo">' in page
    assert " JST" in page
    values = form_values(page)
    assert (values["language"], values["zone"]) == ("uk", "Asia/Tokyo")
    assert '<html lang="uk"' in anas.get("/taskadmin/profile").text


@pytest.mark.databases("sqlite")
def test_the_answer_is_in_the_new_language(
    anas: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the one in which the form was sent; back to the browser's, too."""
    from taskadmin.accounts import preferences

    def spoken(message: str) -> str:
        from taskadmin.i18n import language_tag

        return f"{gettext(message)} ({language_tag()})"

    monkeypatch.setattr(preferences, "gettext", spoken)
    said = []
    for language in ("de", "fr", "fr", ""):
        anas.post(PAGE, data={"language": language, "zone": ""})
        said += [message[-4:] for message in messages(anas.get(PAGE).text)]

    assert said == ["(de)", "(fr)", "(fr)", "(en)"]


@pytest.mark.databases("sqlite")
def test_nothing_chosen_leaves_it_to_the_browser(
    session: Session, anas: FlaskClient, ana: User
) -> None:
    """As it is from the beginning."""
    anas.post(PAGE, data={"language": "de", "zone": "Europe/Berlin"})
    anas.post(PAGE, data={"language": "", "zone": " "})

    session.expire_all()
    assert (ana.language, ana.zone) == (None, None)
    page = anas.get(PAGE, headers={"Accept-Language": "es-MX, en;q=0.5"}).text
    assert '<html lang="es">' in page


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        (
            {"language": "xx", "zone": ""},
            "language",
            "There is no such language here: choose one of the list.",
        ),
        (
            {"language": "de", "zone": "Berlin"},
            "zone",
            "There is no time zone “Berlin”; the nearest known one is Europe/Berlin.",
        ),
        (
            {"language": "de", "zone": "<script>"},
            "zone",
            "There is no time zone “<script>”; expected one like Europe/Berlin.",
        ),
        ({"language": "../en", "zone": "../../etc/passwd"}, "zone", "There is no time zone"),
        ({"language": "", "zone": "\0"}, "zone", "There is no time zone"),
        ({"language": "", "zone": "x" * 5_000}, "zone", "There is no time zone"),
    ],
)
def test_what_is_unknown_is_refused_at_the_field(
    session: Session,
    anas: FlaskClient,
    ana: User,
    data: dict[str, str],
    field: str,
    message: str,
) -> None:
    """Nothing is changed, and what was typed is still there."""
    answer = anas.post(PAGE, data=data)

    assert answer.status_code == 422
    assert dict(field_errors(answer.text))[field].startswith(message)
    session.expire_all()
    assert (ana.language, ana.zone) == (None, None)
    assert '<html lang="en">' in answer.text


@pytest.mark.databases("sqlite")
def test_languages_are_written_in_themselves(anas: FlaskClient) -> None:
    """Each with its own lang, so that it is read aloud as it is meant."""
    page = anas.get(PAGE).text

    found = re.findall(r'<option value="(\w+)" lang="([\w-]+)">(.*?)</option>', page)
    assert {name: label for name, _, label in found} == LANGUAGES
    assert ("zh_Hans_CN", "zh-Hans-CN", "简体中文") in found
    assert '<option value="">As the browser asks</option>' in page
    assert '<option value="Europe/Kyiv">' in page


@pytest.mark.databases("sqlite")
def test_who_is_not_signed_in_comes_to_the_log_in_page(client: FlaskClient) -> None:
    """And back; before that the language is the browser's."""
    assert client.get(PAGE).location == "/taskadmin/login?next=/taskadmin/preferences"
    assert client.post(PAGE, data={"language": "de"}).status_code == 302
    page = client.get("/taskadmin/login", headers={"Accept-Language": "pt-PT,de;q=0.5"}).text
    assert '<html lang="pt-BR">' in page


@pytest.mark.databases("sqlite")
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_preferences_are_saved_with_a_token_only(
    session: Session, anas: FlaskClient, ana: User
) -> None:
    """As every form."""
    token = hidden_fields(anas.get(PAGE).text)["csrf_token"]
    refused = anas.post(PAGE, data={"language": "de", "zone": ""})
    assert refused.status_code == 422
    assert "This form has expired; nothing was changed." in refused.text

    data = {"language": "de", "zone": "", "csrf_token": token}
    assert anas.post(PAGE, data=data).status_code == 302
    session.expire_all()
    assert ana.language == "de"


@pytest.mark.databases("sqlite")
def test_a_body_larger_than_the_form_is_refused(anas: FlaskClient) -> None:
    """413 in words."""
    assert anas.post(PAGE, data={"zone": "x" * 20_000}).status_code == 413
