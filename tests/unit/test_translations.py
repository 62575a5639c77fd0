"""The catalogues are complete, up to date, and include all visible texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import flask_admin.babel
import pytest
from babel.messages.catalog import Catalog
from flask import Flask
from wtforms import IntegerField, StringField
from wtforms.validators import InputRequired

from services.catalogues import (
    LANGUAGES,
    TEMPLATE,
    as_text,
    compiled,
    extract,
    forms,
    is_done,
    load,
    placeholders,
    po_path,
    translations,
    updated,
)
from taskadmin.schedules import in_words, make_schedule
from taskadmin.translation import i18n, languages
from taskadmin.web.layout import PageForm

UPDATE = "run `nox -s translations`"


@pytest.fixture(scope="module")
def texts() -> Catalog:
    """Texts of code and templates."""
    return extract()


def test_each_language_has_a_catalogue() -> None:
    """Each has a catalogue, except English."""
    assert set(LANGUAGES) == set(languages.LANGUAGES) - {"en"}


def test_the_template_is_up_to_date(texts: Catalog) -> None:
    """It has exactly the texts of the code."""
    assert TEMPLATE.read_text() == as_text(texts), UPDATE


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_up_to_date(language: str, texts: Catalog) -> None:
    """It has the texts of the code, and is compiled."""
    catalogue = updated(language, texts)
    assert po_path(language).read_text() == as_text(catalogue), UPDATE
    assert compiled(language) == translations(catalogue), UPDATE


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str, texts: Catalog) -> None:
    """In all of the language's plural forms, without fuzzy entries."""
    catalogue = updated(language, texts)
    missing = [message.id for message in catalogue if message.id and not is_done(message)]
    assert not missing
    for message in catalogue:
        if message.id and message.pluralizable:
            assert len(forms(message)) == catalogue.num_plurals, message.id


def test_no_catalogue_has_a_sentence_of_another_one() -> None:
    """Short words may be the same in two languages."""
    found: dict[str, str] = {}
    for language in LANGUAGES:
        for message in load(language):
            for sentence in forms(message):
                if len(sentence) > 40:
                    assert found.setdefault(sentence, language) == language, sentence


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_put_in_the_same_values(language: str) -> None:
    """A missing placeholder hides a value; an unknown one breaks the page."""
    catalogue = load(language)
    for message in catalogue:
        if not message.id or not is_done(message):
            continue
        sources = [message.id] if isinstance(message.id, str) else message.id
        found = forms(message)
        wanted = set().union(*map(placeholders, sources))
        for form, text in enumerate(found):
            # A form for a single number may leave the number out: “the last run”.
            of_one = message.pluralizable and catalogue.num_plurals == 2 and form == 0
            given = placeholders(text) | ({"num"} & wanted if of_one else set())
            assert given == wanted, (message.id, text)
            # In texts with placeholders, any other % would be an error.
            stray = re.search(r"%(?!%|\(\w+\)s)", text) if wanted else None
            assert stray is None, (message.id, text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_hold_no_markup(language: str) -> None:
    """They are inserted into pages and attributes."""
    for message in load(language):
        sources = [message.id] if isinstance(message.id, str) else message.id
        found = forms(message)
        allowed = set("".join(sources))
        for text in found if message.id else ():
            assert not set('<>&"') & set(text) - allowed, (message.id, text)
            assert text == text.strip() or sources[0] != sources[0].strip(), (message.id, text)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_libraries_of_the_pages_speak_the_language(language: str, app: Flask) -> None:
    """WTForms' messages at fields, and Flask-Admin's flashed ones."""

    class Form(PageForm):
        name = StringField(validators=[InputRequired()])
        number = IntegerField()

    tag = language.replace("_", "-")
    with app.test_request_context(
        method="POST", data={"number": "x"}, headers={"Accept-Language": tag}
    ):
        form = Form()
        assert not form.validate()
        told = [*form.name.errors, *form.number.errors]
        assert told and not set(told) & {"This field is required.", "Not a valid integer value."}
        saved = "Record was successfully saved."
        assert str(flask_admin.babel.gettext(saved)) != saved


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("tag", "cron", "every", "weekday"),
    [
        ("en", "at 02:30 on Monday, in UTC", "every 21 minutes", "Mon"),
        ("de", "montags um 02:30, Zeitzone UTC", "alle 21 Minuten", "Mo."),
        ("es", "los lunes a las 02:30, hora de UTC", "cada 21 minutos", "lun"),
        ("fr", "le lundi à 02:30, fuseau UTC", "toutes les 21 minutes", "lun."),
        (
            "pt-BR",
            "às segundas-feiras às 02:30, fuso UTC",
            "a cada 21 minutos",
            "seg.",
        ),
        ("uk", "щопонеділка о 02:30, за часом UTC", "кожну 21 хвилину", "пн"),
        ("zh-CN", "每周一 02:30，UTC 时间", "每 21 分钟", "周一"),
        # Without a catalogue: English, also cronsim's texts.
        ("it", "at 02:30 on Monday, in UTC", "every 21 minutes", "Mon"),
    ],
)
def test_schedules_read_well(tag: str, cron: str, every: str, weekday: str, app: Flask) -> None:
    """With the language's weekdays, plural forms and dates."""
    with app.test_request_context(headers={"Accept-Language": tag}):
        assert in_words(make_schedule("cron", cron="30 2 * * MON"), 300.0) == cron
        assert in_words(make_schedule("interval", every_seconds=21 * 60), 300.0) == every
        moment = i18n.wall_time(datetime(2027, 1, 4, 2, 30, tzinfo=UTC))
        assert weekday in moment and "2027" in moment and moment.endswith(" 02:30")


def test_placeholders_are_read_as_python_does() -> None:
    """By name; %% isn't one."""
    assert placeholders("%(num)s of %(all)s: 100 %%, %%(no)s") == {"num", "all"}


def test_the_package_has_compiled_catalogues() -> None:
    """Where Flask-Babel finds them."""
    assert Path(i18n.FOLDER) == TEMPLATE.parent


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_use_the_words_of_the_glossary(language: str) -> None:
    """A text with an English word of the field has its word in that language."""
    rows = re.findall(
        r"^\| ([a-z]+) \| ([^|]+) \| ([^|]*) ?\|$",
        (po_path(language).parents[1] / "glossary.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) > 10
    others = []
    for message in load(language):
        text, *_ = [message.id] if isinstance(message.id, str) else message.id
        said = "".join(message.string or "").casefold()
        # Names of values, addresses, and the qualifiers of a search stay English.
        prose = re.sub(r"%\(\w+\)s|\S+:\S+|\w+_\w+|.*Use a colon.*", "", text)
        for english, word, given in rows:
            known = [form.strip() for form in (given.strip() or word).casefold().split(",")]
            if text.casefold() == english:
                known = [word.casefold()]
            elif known == ["–"] or not re.search(rf"(?<![\w-]){english}s?(?![\w-])", prose, re.I):
                continue
            if not any(form in said for form in known):
                others.append(f"{english}: {text}: {said}")
    assert others == []
