"""Update taskadmin's catalogues of translations.

``nox -s translations`` extracts the texts of code and templates, adds new ones to each catalogue,
removes unused ones, compiles the catalogues, and lists what is left to translate.
``nox -s translations -- --check`` changes nothing, and fails if a file isn't up to date.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).parents[2] / "packages" / "taskadmin" / "src" / "taskadmin"
FOLDER = PACKAGE / "translations"
TEMPLATE = FOLDER / "taskadmin.pot"
LANGUAGES = ("de", "es", "fr", "pt_BR", "uk", "zh_Hans_CN")

#: Functions that take texts, with the positions of these; None means the first.
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "gettext": None,
    "lazy_gettext": None,
    "marked": None,
    "ngettext": (1, 2),
    "ta_t": None,
    "ta_n": (1, 2),
}
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
# Otherwise, a template with an error has no texts, without a warning.
_OPTIONS = {"templates/**.html": {"silent": "false"}}
_HEADER = "# The texts of taskadmin{}.\n#"
# Headers that would change with each run or with each release of Babel.
_RESTLESS = re.compile(
    r'^"(Project-Id-Version|Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|'
    r"Last-Translator|Language-Team|Generated-By):.*\n",
    re.MULTILINE,
)
_NAMES = re.compile(r"%\((\w+)\)[sd]|%%")


def po_path(language: str) -> Path:
    """Return the catalogue that translators edit."""
    return FOLDER / language / "LC_MESSAGES" / "taskadmin.po"


def mo_path(language: str) -> Path:
    """Return the compiled catalogue."""
    return po_path(language).with_suffix(".mo")


def extract() -> Catalog:
    """Return the texts of code and templates."""
    catalogue = Catalog(project="taskadmin", domain="taskadmin", charset="utf-8", fuzzy=False)
    catalogue.header_comment = _HEADER.format("")
    found = extract_from_dir(
        PACKAGE,
        _METHODS,
        _OPTIONS,
        KEYWORDS,
        comment_tags=("Translators:",),
        strip_comment_tags=True,
    )
    for file, _line, message, comments, context in found:
        # Without line numbers, which change with unrelated edits.
        catalogue.add(message, locations=[(file, None)], auto_comments=comments, context=context)  # type: ignore[list-item]
    return catalogue


def load(language: str) -> Catalog:
    """Load a language's catalogue; empty if it doesn't exist."""
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language, domain="taskadmin", charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="taskadmin", charset="utf-8")


def updated(language: str, texts: Catalog) -> Catalog:
    """Return a language's catalogue with the current texts, without fuzzy matches."""
    catalogue = load(language)
    catalogue.update(texts, no_fuzzy_matching=True)
    catalogue.header_comment = _HEADER.format(f" in {language}")
    catalogue.fuzzy = False
    return catalogue


def as_text(catalogue: Catalog) -> str:
    """Return a catalogue as in its file."""
    buffer = io.BytesIO()
    write_po(
        buffer, catalogue, width=100, sort_output=True, ignore_obsolete=True, include_lineno=False
    )
    return _RESTLESS.sub("", buffer.getvalue().decode())


def forms(message: Message) -> list[str]:
    """Return all plural forms of a translation."""
    return [message.string] if isinstance(message.string, str) else [*(message.string or ())]


def is_done(message: Message) -> bool:
    """Return whether a text is translated, in all plural forms."""
    texts = forms(message)
    return not message.fuzzy and bool(texts) and all(texts)


def placeholders(text: str) -> set[str]:
    """Return the placeholders of a text."""
    return {match[1] for match in _NAMES.finditer(text) if match[1]}


def translations(catalogue: Catalog) -> dict[object, object]:
    """Return translations by text, and the plural rule, to compare catalogues."""
    return {"": catalogue.plural_forms} | {
        message.id if isinstance(message.id, str) else tuple(message.id): (
            message.string if isinstance(message.string, str) else tuple(forms(message))
        )
        for message in catalogue
        if message.id and is_done(message)
    }


def compiled(language: str) -> dict[object, object]:
    """Return the translations of a compiled catalogue, or none without a file."""
    path = mo_path(language)
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return translations(read_mo(file))


def _put(path: Path, content: str, *, check: bool) -> bool:
    """Write a file if it differs; return whether it did."""
    if path.exists() and path.read_text() == content:
        return False
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return True


def _compile(language: str, catalogue: Catalog) -> None:
    # Babel would write the English text for untranslated plurals.
    done = Catalog(locale=language, domain="taskadmin", charset="utf-8", fuzzy=False)
    # As many forms as the catalogue has; some releases of Babel have more.
    done.mime_headers = [("Plural-Forms", catalogue.plural_forms)]
    for message in catalogue:
        if message.id and is_done(message):
            done.add(message.id, message.string, context=message.context)
    with mo_path(language).open("wb") as file:
        write_mo(file, done)


def main(*, check: bool) -> int:
    """Update all catalogues, or *check* whether they are up to date."""
    texts = extract()
    stale = ["taskadmin.pot"] if _put(TEMPLATE, as_text(texts), check=check) else []
    for language in LANGUAGES:
        catalogue = updated(language, texts)
        if _put(po_path(language), as_text(catalogue), check=check):
            stale.append(f"{language}.po")
        if compiled(language) != translations(catalogue):
            stale.append(f"{language}.mo")
            if not check:
                _compile(language, catalogue)
        left = [message.id for message in catalogue if message.id and not is_done(message)]
        print(f"{language}: {len(texts)} texts, {len(left)} to translate")
    if stale:
        print("Not up to date:" if check else "Written:", ", ".join(stale))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
