"""All visible texts are in the catalogues."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from jinja2 import Environment, nodes

from services.catalogues import (
    PACKAGE,
)

#: Texts of templates that aren't translated: names, signs, units.
_SAME_EVERYWHERE = {"CSV", "JSON", "UTC", "ms", "taskadmin"}

#: Elements that contain code.
_CODE = {"code", "kbd", "samp"}

#: Attributes with visible or spoken text.
_READ = {"alt", "aria-description", "aria-label", "aria-roledescription", "placeholder", "title"}

#: Calls in templates with technical texts: addresses, names of parts, attributes.
_TECHNICAL = {"attribute", "get_url", "hidden_tag", "static", "strftime", "url", "url_for"}

#: Visible words: “Save”, “Run now”, “it is over”.
_WORDS = re.compile(r"[A-Z][a-z]+|[A-Za-z]{2,} [A-Za-z]{2,}")

#: Modules with texts for the command line only.
_COMMAND_LINE = {
    "store/tasks/as_code/format.py",
    "store/tasks/as_code/reader.py",
    "store/tasks/as_code/importing.py",
}

#: Modules with texts for pages.
_PAGES = ("accounts", "admin", "jobs", "schedules", "store", "translation/words.py", "web")

#: Functions whose first or second argument is shown on pages.
_SHOWN = {"flash", "InvalidSchedule", "InvalidUsername", "Outcome", "MenuItem", "ValidationError"}

_SHOWN_FIELDS = re.compile(r"\w+Field$")

_SHOWN_KEYWORDS = {"description", "label", "message"}

TEMPLATES = sorted(
    path.relative_to(PACKAGE / "templates").as_posix()
    for path in (PACKAGE / "templates").rglob("*.html")
)


@pytest.mark.parametrize("name", TEMPLATES)
def test_texts_in_templates_are_translated(name: str) -> None:
    """Visible and spoken texts are in ``ta_t`` or ``ta_n``."""
    source = (PACKAGE / "templates" / name).read_text()
    assert [*_bare_texts(source), *_bare_words(source)] == []


class _Reader(HTMLParser):
    """Collect the visible text of a page's source."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check attributes with text."""
        self._code += tag in _CODE
        self.found += [value for name, value in attrs if name in _READ and value]
        kinds = {value for name, value in attrs if name == "type"}
        if tag == "input" and kinds & {"submit", "button", "reset"}:
            self.found += [value for name, value in attrs if name == "value" and value]

    def handle_endtag(self, tag: str) -> None:
        """Note the end of code."""
        self._code -= tag in _CODE

    def handle_data(self, data: str) -> None:
        """Collect text between tags; some blocks contain only attributes."""
        if not self._code and not re.search(r'\w="', data):
            self.found.append(data)


def _bare_texts(source: str) -> Iterator[str]:
    """Return a template's text outside of tags and expressions."""
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
    """Return whether it is a name or code, which isn't translated."""
    return text in _SAME_EVERYWHERE or bool(re.fullmatch(r"\S*[(_/]\S*", text))


def _bare_words(source: str) -> Iterator[str]:
    """Return words in expressions outside of translation functions."""
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
            # Inserted values may be texts.
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
def test_texts_in_modules_are_translated(name: str) -> None:
    """Flashed messages, labels and errors use translation functions."""
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
                # “it is empty.”: the end of a log line about a host's user.
                if called == "InvalidUsername" and re.match(r"f?['\"][a-z]", told):
                    continue
                yield f"line {part.lineno}: {told}"


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    """Return the literals of a shown value."""
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


def test_the_check_of_templates_finds_untranslated_texts() -> None:
    """Texts, attributes and words in expressions, but not marked or technical ones."""
    source = """
      {% set heading = ("Edit " ~ task) if task else "New task" %}
      <p class="card {% if x == 'Some word' %}wide{% endif %}" title="Bare title">Bare {{ name }}</p>
      <input type="submit" value="Send it" aria-label="{{ ta_t("Marked") }}">
      {{ ta_t("Marked %(link)s", link="Bare link") }} {{ ui.time(moment) }} {{ "CSV" }}
      {# A comment #}<a href="{{ get_url('.details_view', id=1) }}">{{ ta_n("a b", "c d", 2) }}</a>
    """
    assert list(_bare_texts(source)) == ["Bare title", "Bare", "Send it"]
    assert list(_bare_words(source)) == ["Edit", "New task", "Bare link"]


def test_the_check_of_modules_finds_untranslated_texts() -> None:
    """Literals, also f-strings and both branches of a condition."""
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
