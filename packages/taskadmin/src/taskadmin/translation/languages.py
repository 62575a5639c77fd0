"""The languages of the catalogues, and the language of a request.

Flask-Admin and Flask-WTF ask Flask-Babel for the language if it is installed, on the host's pages,
too. Hosts that don't use it got English ones before they installed taskadmin, and still do.
"""

from __future__ import annotations

from flask import Flask, g, has_request_context, request, request_started
from flask_babel import Babel, BabelConfiguration, force_locale

from ..state import is_api, is_page

#: Locales of the catalogues, with each language's own name.
LANGUAGES = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "pt_BR": "Português (Brasil)",
    "uk": "Українська",
    "zh_Hans_CN": "简体中文",
}
_BY_LANGUAGE = {name.partition("_")[0]: name for name in LANGUAGES}
#: Scripts and countries with traditional characters, which have no catalogue.
_TRADITIONAL = ("hant", "tw", "hk", "mo")


def init_app(app: Flask) -> None:
    """Give *app* a Babel if it has none, and a locale to Flask-Babel if it has another one."""
    if "babel" not in app.extensions:
        Babel(configure_jinja=False).init_app(app, locale_selector=_select)
    # Before the host's before_request functions, which may validate a form.
    request_started.connect(_stand_in, app, weak=False)


def catalogue_of(language: str, *rest: str | None) -> str | None:
    """Return the catalogue for a language, given its script and country."""
    is_other = any(part is not None and part.lower() in _TRADITIONAL for part in rest)
    return None if is_other else _BY_LANGUAGE.get(language)


def from_browser() -> str | None:
    """Return the browser's language if there is a catalogue for it."""
    if not has_request_context():
        return None
    for tag in request.accept_languages.values():
        name = catalogue_of(*tag.lower().replace("_", "-").split("-"))
        if name is not None:
            return name
    return None


def _select() -> str | None:
    """Return the browser's language on taskadmin's pages; the host's own pages keep theirs."""
    return from_browser() if has_request_context() and _may_be_ours() else None


def _may_be_ours() -> bool:
    return is_page() or is_api() or request.endpoint is None


def _stand_in(app: Flask, **_: object) -> None:
    """Force a locale where Flask-Babel has no state of its own and would fail.

    Flask-BabelPlus and Flask-BabelEx keep theirs under the same name in ``app.extensions``.
    """
    if not has_flask_babel(app):
        force(_select() or "en")


def has_flask_babel(app: Flask) -> bool:
    """Whether Flask-Babel can be asked for the language."""
    # Looked up for each request: another extension may be initialized after taskadmin.
    return isinstance(app.extensions.get("babel"), BabelConfiguration)


def force(language: str) -> None:
    """Use a language in Flask-Babel for the rest of the request."""
    forced = force_locale(language)
    forced.__enter__()
    g.taskadmin_language = forced  # if it were garbage-collected, it would exit
