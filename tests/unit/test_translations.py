"""The catalogues: complete, in step with the code, and nothing that people read is outside of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import flask_admin.babel
import pytest
from babel.messages.catalog import Catalog
from flask import Flask
from jinja2 import Environment, nodes
from wtforms import IntegerField, StringField
from wtforms.validators import InputRequired

from services.catalogues import (
    LANGUAGES,
    PACKAGE,
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
from taskadmin import i18n
from taskadmin.schedules import in_words, make_schedule
from taskadmin.shell import PageForm

UPDATE = "run `nox -s translations`"

#: Texts of templates that are the same in every language: names, signs, units.
_SAME_EVERYWHERE = {"CSV", "JSON", "UTC", "ms", "taskadmin"}
#: Elements whose text is code.
_CODE = {"code", "kbd", "samp"}
#: Attributes that people read or hear.
_READ = {"alt", "aria-description", "aria-label", "aria-roledescription", "placeholder", "title"}
#: Calls in templates whose texts are no words for people: addresses, names of parts, attributes.
_TECHNICAL = {"attribute", "get_url", "hidden_tag", "static", "strftime", "url", "url_for"}
#: Words as people read them: “Save”, “Run now”, “it is over”.
_WORDS = re.compile(r"[A-Z][a-z]+|[A-Za-z]{2,} [A-Za-z]{2,}")

#: Modules whose sentences are read on the command line only.
_COMMAND_LINE = {"store/as_code.py", "store/task_reader.py", "store/task_files.py"}
#: Modules with texts for pages.
_PAGES = ("accounts", "admin", "jobs", "schedules", "shell.py", "store", "words.py")
#: Functions whose first or second argument is shown to people.
_SHOWN = {"flash", "InvalidSchedule", "InvalidUsername", "Outcome", "Page", "ValidationError"}
_SHOWN_FIELDS = re.compile(r"\w+Field$")
_SHOWN_KEYWORDS = {"description", "label", "message"}


@pytest.fixture(scope="module")
def texts() -> Catalog:
    """What code and templates say."""
    return extract()


def test_the_languages_are_those_that_people_can_choose() -> None:
    """Each has a catalogue, but for English, which the code has."""
    assert set(LANGUAGES) == set(i18n.LANGUAGES) - {"en"}


def test_the_template_is_up_to_date(texts: Catalog) -> None:
    """It has the texts of the code, no more and no fewer."""
    assert TEMPLATE.read_text() == as_text(texts), UPDATE


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_up_to_date(language: str, texts: Catalog) -> None:
    """It has the texts of the code, and is compiled."""
    catalogue = updated(language, texts)
    assert po_path(language).read_text() == as_text(catalogue), UPDATE
    assert compiled(language) == translations(catalogue), UPDATE


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str, texts: Catalog) -> None:
    """In all plural forms that the language has, and none is a guess."""
    catalogue = updated(language, texts)
    missing = [message.id for message in catalogue if message.id and not is_done(message)]
    assert not missing
    for message in catalogue:
        if message.id and message.pluralizable:
            assert len(forms(message)) == catalogue.num_plurals, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_put_in_the_same_values(language: str) -> None:
    """A name that is missing hides something; one that isn't known breaks the page."""
    catalogue = load(language)
    for message in catalogue:
        if not message.id or not is_done(message):
            continue
        sources = [message.id] if isinstance(message.id, str) else message.id
        found = forms(message)
        wanted = set().union(*map(placeholders, sources))
        for form, text in enumerate(found):
            # “The last run” may do without its number where no other number has that form.
            of_one = message.pluralizable and catalogue.num_plurals == 2 and form == 0
            given = placeholders(text) | ({"num"} & wanted if of_one else set())
            assert given == wanted, (message.id, text)
            # Where values are put in, any other % would break it.
            stray = re.search(r"%(?!%|\(\w+\)s)", text) if wanted else None
            assert stray is None, (message.id, text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_hold_no_markup(language: str) -> None:
    """They are put into pages, some of them into attributes, as they are."""
    for message in load(language):
        sources = [message.id] if isinstance(message.id, str) else message.id
        found = forms(message)
        allowed = set("".join(sources))
        for text in found if message.id else ():
            assert not set('<>&"') & set(text) - allowed, (message.id, text)
            assert text == text.strip() or sources[0] != sources[0].strip(), (message.id, text)


TEMPLATES = sorted(
    path.relative_to(PACKAGE / "templates").as_posix()
    for path in (PACKAGE / "templates").rglob("*.html")
)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_nothing_in_english_only(name: str) -> None:
    """What people read or hear is within ``ta_t`` or ``ta_n``."""
    source = (PACKAGE / "templates" / name).read_text()
    assert [*_bare_texts(source), *_bare_words(source)] == []


class _Reader(HTMLParser):
    """Collects what people read of a page's source."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the attributes that are read."""
        self._code += tag in _CODE
        self.found += [value for name, value in attrs if name in _READ and value]
        kinds = {value for name, value in attrs if name == "type"}
        if tag == "input" and kinds & {"submit", "button", "reset"}:
            self.found += [value for name, value in attrs if name == "value" and value]

    def handle_endtag(self, tag: str) -> None:
        """See whether code ends."""
        self._code -= tag in _CODE

    def handle_data(self, data: str) -> None:
        """Take what stands between tags; some blocks hold attributes alone."""
        if not self._code and not re.search(r'\w="', data):
            self.found.append(data)


def _bare_texts(source: str) -> Iterator[str]:
    """Letters of a template that are neither tags nor expressions."""
    kept: list[str] = []
    inside = ""
    for _line, kind, value in Environment(autoescape=True).lex(source):
        if kind in ("variable_begin", "block_begin"):
            inside = kind
        elif kind in ("variable_end", "block_end"):
            kept.append("\0" if kind == "variable_end" else "")
            inside = ""
        elif kind == "data" and not inside:
            kept.append(value)
    reader = _Reader()
    reader.feed("".join(kept))
    reader.close()
    for text in reader.found:
        words = text.replace("\0", " ").strip()
        if any(map(str.isalpha, words)) and not _is_technical(words):
            yield " ".join(words.split())


def _is_technical(text: str) -> bool:
    """Whether it is the same in every language: a name, or code."""
    return text in _SAME_EVERYWHERE or bool(re.fullmatch(r"\S*[(_/]\S*", text))


def _bare_words(source: str) -> Iterator[str]:
    """Words within expressions that no function for texts takes."""
    tree = Environment(autoescape=True, extensions=["jinja2.ext.do"]).parse(source)
    yield from _words_below(tree)


def _words_below(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Const):
        value = node.value.strip() if isinstance(node.value, str) else ""
        if _WORDS.match(value) and not _is_technical(value):
            yield value
        return
    if isinstance(node, nodes.Call):
        function = node.node
        name = getattr(function, "name", None) or getattr(function, "attr", None)
        if name in {"ta_t", "ta_n"}:
            # What is put in may be a text itself.
            for keyword in node.kwargs:
                yield from _words_below(keyword.value)
            return
        if name in _TECHNICAL:
            return
    if isinstance(node, nodes.Compare | nodes.Import | nodes.FromImport | nodes.Extends):
        return
    if isinstance(node, nodes.Include | nodes.Test):
        return
    if isinstance(node, nodes.Keyword) and node.key in ("class", "class_"):
        return
    for child in node.iter_child_nodes():
        yield from _words_below(child)


MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for name in _PAGES
    for path in ([PACKAGE / name] if name.endswith(".py") else (PACKAGE / name).rglob("*.py"))
    if path.relative_to(PACKAGE).as_posix() not in _COMMAND_LINE
)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_nothing_in_english_only(name: str) -> None:
    """What it flashes, labels or refuses is made by a function for texts."""
    path = PACKAGE / name
    assert list(_unmarked(ast.parse(path.read_text()))) == []


def _unmarked(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = getattr(function, "id", None) or getattr(function, "attr", "")
        shown: list[ast.expr] = []
        if called in _SHOWN or _SHOWN_FIELDS.match(str(called)):
            shown += node.args[:1] if called != "InvalidSchedule" else node.args[1:2]
            shown += [item.value for item in node.keywords if item.arg in _SHOWN_KEYWORDS]
        elif called in {"Length", "DataRequired", "InputRequired", "EqualTo", "NumberRange"}:
            shown += [item.value for item in node.keywords if item.arg == "message"]
        for value in shown:
            for part in _parts(value):
                told = ast.unparse(part)
                # “it is empty.”: the end of a line of the log, about a host's own user.
                if called == "InvalidUsername" and re.match(r"f?['\"][a-z]", told):
                    continue
                yield f"line {part.lineno}: {told}"


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    """The literals that a shown value may be."""
    match value:
        case ast.Constant(value=str() as text) if _WORDS.match(text.strip()):
            yield value
        case ast.JoinedStr(values=values) if any(
            isinstance(one, ast.Constant) and re.search("[A-Za-z]{2}", str(one.value))
            for one in values
        ):
            yield value
        case ast.IfExp(body=body, orelse=orelse):
            yield from _parts(body)
            yield from _parts(orelse)
        case ast.BinOp(left=left, right=right):
            yield from _parts(left)
            yield from _parts(right)


def test_the_check_of_templates_finds_what_is_bare() -> None:
    """Texts, attributes, and words within expressions; not what is marked or technical."""
    source = """
      {% set heading = ("Edit " ~ task) if task else "New task" %}
      <p class="card {% if x == 'Some word' %}wide{% endif %}" title="Bare title">Bare {{ name }}</p>
      <input type="submit" value="Send it" aria-label="{{ ta_t("Marked") }}">
      {{ ta_t("Marked %(link)s", link="Bare link") }} {{ ui.time(moment) }} {{ "CSV" }}
      {# A comment #}<a href="{{ get_url('.details_view', id=1) }}">{{ ta_n("a b", "c d", 2) }}</a>
    """
    assert list(_bare_texts(source)) == ["Bare title", "Bare", "Send it"]
    assert list(_bare_words(source)) == ["Edit", "New task", "Bare link"]


def test_the_check_of_modules_finds_what_is_bare() -> None:
    """Literals, also formatted ones and either side of a choice."""
    source = """
flash(f"{count} tasks paused.", "success")
flash(gettext("Marked."), "success")
flash("One." if one else gettext("Many."), "success")
name = StringField("Name", description=lazy_gettext("Marked."), validators=[Length(message="Too long.")])
"""
    found = list(_unmarked(ast.parse(source)))
    assert [text.partition(": ")[2] for text in found] == [
        "f'{count} tasks paused.'",
        "'One.'",
        "'Name'",
        "'Too long.'",
    ]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_libraries_of_the_pages_speak_the_language(language: str, app: Flask) -> None:
    """What WTForms says at a field, and what Flask-Admin flashes."""

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
        # There is no catalogue of it: English, cronsim's words too.
        ("it", "at 02:30 on Monday, in UTC", "every 21 minutes", "Mon"),
    ],
)
def test_schedules_read_well(tag: str, cron: str, every: str, weekday: str, app: Flask) -> None:
    """Weekdays, plural forms and dates as the language has them."""
    with app.test_request_context(headers={"Accept-Language": tag}):
        assert in_words(make_schedule("cron", cron="30 2 * * MON"), 300.0) == cron
        assert in_words(make_schedule("interval", every_s=21 * 60), 300.0) == every
        moment = i18n.wall_time(datetime(2027, 1, 4, 2, 30, tzinfo=UTC))
        assert weekday in moment and "2027" in moment and moment.endswith(" 02:30")


def test_placeholders_are_read_as_python_does() -> None:
    """Names; a doubled sign is none."""
    assert placeholders("%(num)s of %(all)s: 100 %%, %%(no)s") == {"num", "all"}


def test_the_package_has_compiled_catalogues() -> None:
    """Flask-Babel finds them where the wheel has them."""
    assert Path(i18n.FOLDER) == TEMPLATE.parent
