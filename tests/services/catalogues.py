"""taskadmin's catalogues: the texts of the code, and what translators made of them.

``nox -s translations`` reads the texts from code and templates, adds new ones to every
catalogue, drops those that are gone, and compiles; ``nox -s translations -- --check`` changes
nothing, and fails if that would change a file. What is left to translate is told.
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

#: Functions that take texts, with the places of these; None: the first.
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "gettext": None,
    "lazy_gettext": None,
    "marked": None,
    "ngettext": (1, 2),
    "ta_t": None,
    "ta_n": (1, 2),
}
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
# Otherwise a template with a mistake has no texts, and nobody hears of it.
_OPTIONS = {"templates/**.html": {"silent": "false"}}
_HEADER = "# The texts of taskadmin{}.\n#"
# What would change with every run, or with every release of Babel.
_RESTLESS = re.compile(
    r'^"(Project-Id-Version|Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|'
    r"Last-Translator|Language-Team|Generated-By):.*\n",
    re.MULTILINE,
)
_NAMES = re.compile(r"%\((\w+)\)[sd]|%%")


def po_path(language: str) -> Path:
    """The catalogue that translators edit."""
    return FOLDER / language / "LC_MESSAGES" / "taskadmin.po"


def mo_path(language: str) -> Path:
    """The catalogue that is read at run time."""
    return po_path(language).with_suffix(".mo")


def extract() -> Catalog:
    """The texts of code and templates."""
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
        # Without lines, which change with every edit above them.
        catalogue.add(message, locations=[(file, None)], auto_comments=comments, context=context)  # type: ignore[list-item]
    return catalogue


def load(language: str) -> Catalog:
    """A language's catalogue as it is; empty if there is none yet."""
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language, domain="taskadmin", charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="taskadmin", charset="utf-8")


def updated(language: str, texts: Catalog) -> Catalog:
    """A language's catalogue with the texts that there are now, and no guesses."""
    catalogue = load(language)
    catalogue.update(texts, no_fuzzy_matching=True)
    catalogue.header_comment = _HEADER.format(f" in {language}")
    catalogue.fuzzy = False
    return catalogue


def as_text(catalogue: Catalog) -> str:
    """A catalogue as its file has it."""
    buffer = io.BytesIO()
    write_po(
        buffer, catalogue, width=100, sort_output=True, ignore_obsolete=True, include_lineno=False
    )
    return _RESTLESS.sub("", buffer.getvalue().decode())


def forms(message: Message) -> list[str]:
    """A translation in all of its plural forms."""
    return [message.string] if isinstance(message.string, str) else [*(message.string or ())]


def is_done(message: Message) -> bool:
    """Whether a text is translated, in all of its plural forms."""
    texts = forms(message)
    return not message.fuzzy and bool(texts) and all(texts)


def placeholders(text: str) -> set[str]:
    """What a text puts values in for."""
    return {match[1] for match in _NAMES.finditer(text) if match[1]}


def translations(catalogue: Catalog) -> dict[object, object]:
    """Texts by what they translate, and the rule for plurals: what matters of a catalogue."""
    return {"": catalogue.plural_forms} | {
        message.id if isinstance(message.id, str) else tuple(message.id): (
            message.string if isinstance(message.string, str) else tuple(forms(message))
        )
        for message in catalogue
        if message.id and is_done(message)
    }


def compiled(language: str) -> dict[object, object]:
    """The translations of a compiled catalogue; none if there is no such file."""
    path = mo_path(language)
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return translations(read_mo(file))


def _put(path: Path, content: str, *, check: bool) -> bool:
    """Write a file that differs; whether it did."""
    if path.exists() and path.read_text() == content:
        return False
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return True


def _compile(language: str, catalogue: Catalog) -> None:
    # Babel would write the English of plurals that aren't translated.
    done = Catalog(locale=language, domain="taskadmin", charset="utf-8", fuzzy=False)
    # As many forms as translators had before them; some releases of Babel know of more.
    done.mime_headers = [("Plural-Forms", catalogue.plural_forms)]
    for message in catalogue:
        if message.id and is_done(message):
            done.add(message.id, message.string, context=message.context)
    with mo_path(language).open("wb") as file:
        write_mo(file, done)


def main(*, check: bool) -> int:
    """Bring all catalogues up to date, or (*check*) see whether they are."""
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
