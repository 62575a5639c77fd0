"""A user's language and time zone."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from services.browser import sign_in
from services.pages import field_errors, form_values, messages
from taskadmin.models import User
from taskadmin.translation.languages import LANGUAGES
from taskadmin.translation.texts import gettext

PAGE = "/taskadmin/preferences"


@pytest.fixture
def anas(client: FlaskClient, ana: User) -> FlaskClient:
    """An ordinary user's browser, which prefers English."""
    return sign_in(client, ana)


def test_a_choice_is_kept_and_shown_at_once(session: Session, anas: FlaskClient, ana: User) -> None:
    """On all pages, in that language and time zone."""
    answer = anas.post(PAGE, data={"language": "uk", "zone": "Asia/Tokyo"})

    assert answer.location == PAGE
    session.expire_all()
    assert (ana.language, ana.zone) == ("uk", "Asia/Tokyo")
    page = anas.get(PAGE).text
    assert '<html lang="uk">' in page
    assert " JST" in page
    values = form_values(page)
    assert (values["language"], values["zone"]) == ("uk", "Asia/Tokyo")
    assert '<html lang="uk"' in anas.get("/taskadmin/profile").text


@pytest.mark.databases("sqlite")
def test_the_answer_is_in_the_new_language(
    anas: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after changing back to the browser's."""
    from taskadmin.accounts import preferences

    def spoken(message: str) -> str:
        from taskadmin.translation.i18n import language_tag

        return f"{gettext(message)} ({language_tag()})"

    monkeypatch.setattr(preferences, "gettext", spoken)
    said = []
    for language in ("de", "fr", "fr", ""):
        anas.post(PAGE, data={"language": language, "zone": ""})
        said += [message[-4:] for message in messages(anas.get(PAGE).text)]

    assert said == ["(de)", "(fr)", "(fr)", "(en)"]


@pytest.mark.databases("sqlite")
def test_without_a_choice_the_browser_decides(
    session: Session, anas: FlaskClient, ana: User
) -> None:
    """As in a new account."""
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
            "Unknown language. Choose one from the list.",
        ),
        (
            {"language": "de", "zone": "Berlin"},
            "zone",
            "Unknown time zone “Berlin”; did you mean Europe/Berlin?",
        ),
        (
            {"language": "de", "zone": "<script>"},
            "zone",
            "Unknown time zone “<script>”; expected a name such as Europe/Berlin.",
        ),
        ({"language": "../en", "zone": "../../etc/passwd"}, "zone", "Unknown time zone"),
        ({"language": "", "zone": "\0"}, "zone", "Unknown time zone"),
        ({"language": "", "zone": "x" * 5_000}, "zone", "Unknown time zone"),
    ],
)
def test_unknown_values_are_refused_at_the_field(
    session: Session,
    anas: FlaskClient,
    ana: User,
    data: dict[str, str],
    field: str,
    message: str,
) -> None:
    """Nothing is changed, and the input stays."""
    answer = anas.post(PAGE, data=data)

    assert answer.status_code == 422
    assert dict(field_errors(answer.text))[field].startswith(message)
    session.expire_all()
    assert (ana.language, ana.zone) == (None, None)
    assert '<html lang="en">' in answer.text


@pytest.mark.databases("sqlite")
def test_languages_are_written_in_themselves(anas: FlaskClient) -> None:
    """Each with its lang attribute, for screen readers."""
    page = anas.get(PAGE).text

    found = re.findall(r'<option value="(\w+)" lang="([\w-]+)">(.*?)</option>', page)
    assert {name: label for name, _, label in found} == LANGUAGES
    assert ("zh_Hans_CN", "zh-Hans-CN", "简体中文") in found
    assert '<option value="">Browser language</option>' in page
    assert '<option value="Europe/Kyiv">' in page


@pytest.mark.databases("sqlite")
def test_anonymous_visitors_are_redirected_to_log_in(client: FlaskClient) -> None:
    """And back; until then, the language is the browser's."""
    assert client.get(PAGE).location == "/taskadmin/login?next=/taskadmin/preferences"
    assert client.post(PAGE, data={"language": "de"}).status_code == 302
    page = client.get("/taskadmin/login", headers={"Accept-Language": "pt-PT,de;q=0.5"}).text
    assert '<html lang="pt-BR">' in page


@pytest.mark.databases("sqlite")
def test_a_body_larger_than_the_form_is_refused(anas: FlaskClient) -> None:
    """With 413."""
    assert anas.post(PAGE, data={"zone": "x" * 20_000}).status_code == 413
