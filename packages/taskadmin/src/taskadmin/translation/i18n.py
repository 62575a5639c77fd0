"""Languages, and formatting of numbers and times, with Babel for the current reader.

taskadmin's texts have their own catalogues (``translations/``). If the host uses Flask-Babel, its
selector chooses the language of taskadmin's pages; otherwise, the browser does. A user's own
language and time zone take precedence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, dates, numbers
from babel.lists import format_list
from babel.support import NullTranslations, Translations
from flask import current_app, g, has_request_context, request
from flask_babel import get_locale as babel_locale
from flask_babel import refresh
from flask_babel.speaklater import LazyString
from markupsafe import Markup, escape

from ..state import get_state, is_api, is_page
from . import amounts, languages, texts
from .amounts import Number
from .languages import LANGUAGES, catalogue_of

if TYPE_CHECKING:
    from flask import Flask

    from ..models import User

FOLDER = Path(__file__).parents[1] / "translations"
DOMAIN = "taskadmin"
_ENGLISH_LOCALE = Locale("en")


def init_app(app: Flask) -> None:
    """Give *app* a Babel if it has none, and use taskadmin's catalogues."""
    languages.init_app(app)
    app.before_request(_force_own_language)
    app.jinja_env.globals.update(ta_t=_in_template, ta_n=_number_in_template)
    texts.use(_BabelCatalogue())


class _BabelCatalogue:
    """taskadmin's catalogues; English outside of a request."""

    @property
    def language(self) -> str:
        return "en" if _translations() is None else locale().language

    def gettext(self, message: str) -> str:
        found = _translations()
        return message if found is None else str(found.ugettext(message))

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        found = _translations()
        if found is None:
            return singular if number == 1 else plural
        return str(found.ungettext(singular, plural, number))

    def number(self, number: Number) -> str:
        return grouped(number)

    def listed(self, items: Sequence[str]) -> str:
        if self.language == "en":  # without CLDR's comma before "and"
            return texts.ENGLISH.listed(items)
        return str(format_list(items, style="standard", locale=locale()))

    def day_of_year(self, month: int, day: int) -> str:
        if self.language == "en":
            return texts.ENGLISH.day_of_year(month, day)
        # A leap year, for February 29.
        return str(dates.format_skeleton("MMMMd", date(2000, month, day), locale=locale()))


def _translations() -> NullTranslations | None:
    """Return the catalogue of the reader's language; None for English.

    Logs and rows that commands or workers write are English. A host's Babel may choose any locale,
    such as ``pt_PT``.
    """
    if not has_request_context():
        return None
    chosen = locale()
    # Cached, since a page calls this thousands of times; another language is another object.
    of, found = getattr(g, "taskadmin_catalogue", (None, None))
    if of is not chosen:
        name = catalogue_of(chosen.language, chosen.script, chosen.territory)
        found = None if name in (None, "en") else _load(name)
        g.taskadmin_catalogue = (chosen, found)
    return found


@lru_cache(maxsize=len(LANGUAGES))
def _load(name: str) -> NullTranslations:
    found: NullTranslations = Translations.load(str(FOLDER), [name], DOMAIN)
    return found


def lazy_gettext(message: str, **variables: object) -> Any:
    """Translate *message* when it is displayed, for texts that are created at import."""
    return LazyString(texts.gettext, message, **variables)


def _in_template(message: str, **variables: object) -> Markup:
    """``ta_t`` in templates; variables are escaped unless they are markup."""
    text = _escaped(texts.gettext(message))
    return text % variables if variables else text


# Cached: lists contain the same few words in every row.
@lru_cache(maxsize=4096)
def _escaped(text: str) -> Markup:
    return escape(text)


def _number_in_template(singular: str, plural: str, number: int, **variables: object) -> Markup:
    """``ta_n`` in templates; ``%(num)s`` is the number."""
    if variables:
        marked = {name: escape(value) for name, value in variables.items()}
        return Markup(  # noqa: S704 - the variables are escaped, and catalogues contain no markup
            texts.ngettext(singular, plural, number, **marked)
        )
    return escape(texts.ngettext(singular, plural, number))


def _reader() -> User | None:
    """Return the logged-in user; cached, also while the lookup is in progress."""
    if "taskadmin_reader" not in g:
        g.taskadmin_reader = None
        g.taskadmin_reader = get_state().current_user()
    reader: User | None = g.taskadmin_reader
    return reader


def _force_own_language() -> None:
    """Use the user's language for Flask-Admin and WTForms on taskadmin's pages."""
    if is_api():  # programs read it, and the session's cookie doesn't count there
        speak("en")
    if is_page():  # machines request health checks, also during a database outage
        speak_to_reader()


def speak_to_reader() -> None:
    """Use the user's language for the rest of the request, or else the browser's."""
    if "taskadmin_locale" in g:
        return
    g.taskadmin_locale = None
    reader = _reader()
    if reader is not None and reader.language in LANGUAGES:
        speak(reader.language)


def speak(language: str | None) -> None:
    """Use a language for the rest of the request; None for the browser's."""
    # Exited first: it would restore the language before it.
    spoken = g.pop("taskadmin_language", None)
    if spoken is not None:
        spoken.__exit__(None, None, None)
    refresh()
    # Flask-WTF caches WTForms' translations there.
    setattr(request, "wtforms_translations", None)  # noqa: B010 - Flask's class doesn't know it
    g.taskadmin_locale = None
    if language is None and not languages.has_flask_babel(current_app):
        language = languages.from_browser() or "en"
    if language is not None:
        languages.force(language)
        g.taskadmin_locale = babel_locale()


def keep_language() -> None:
    """Stop looking up the language: keep it, or use the browser's if none was chosen yet."""
    if g.get("taskadmin_locale") is None:
        speak(languages.from_browser() or "en")


def locale() -> Locale:
    """Return the reader's locale; English outside of a request."""
    if not has_request_context():
        return _ENGLISH_LOCALE
    # Cached, since a page calls this thousands of times, and flask_babel takes 4 µs for each. Not
    # on the host's own pages, which may force another locale at any time.
    kept: Locale | bool | None = getattr(g, "taskadmin_locale", False)
    if isinstance(kept, Locale):
        return kept
    found: Locale = babel_locale() or _ENGLISH_LOCALE
    if kept is None:
        g.taskadmin_locale = found
    return found


def language_tag() -> str:
    """Return the reader's language for HTML (BCP 47)."""
    return tag_of(str(locale()))


def tag_of(name: str) -> str:
    """Convert a locale for HTML: ``pt-BR``."""
    return name.replace("_", "-")


def chosen_zone() -> str | None:
    """Return the time zone that the reader has chosen; None for the browser's."""
    reader = _reader() if has_request_context() else None
    return reader.zone if reader is not None else None


def zone_name() -> str:
    """Return the name of the reader's time zone: the chosen one, the browser's, or UTC."""
    return str(zone())


def zone() -> tzinfo:
    """Return the reader's time zone: the chosen one, the browser's, or UTC."""
    if not has_request_context():
        return UTC
    # taskadmin.js sets the cookie.
    return _known_zone(chosen_zone() or request.cookies.get("taskadmin_zone", ""))


@lru_cache(maxsize=256)
def _known_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    # The last one for names of folders, such as "Europe".
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def ago(moment: datetime) -> str:
    """Format how long ago *moment* was, or how soon it will be."""
    length = moment - datetime.now(UTC)
    if abs(length) < timedelta(seconds=1):
        return texts.gettext("now")
    return _ago(round(length.total_seconds()), locale())


def coming(moment: datetime) -> str:
    """Format how soon *moment*, which is ahead by the database's clock, will be.

    The clock of this process may already be past it.
    """
    ahead = round((moment - datetime.now(UTC)).total_seconds())
    return _ago(max(ahead, 1), locale())


@lru_cache(maxsize=4096)
def _ago(seconds: int, language: Locale) -> str:
    return dates.format_timedelta(seconds, threshold=1.5, add_direction=True, locale=language)


def utc(moment: datetime) -> str:
    """Format *moment* independently of the reader: ``2026-01-31 12:00:00 UTC``."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'seconds')} UTC"


def full(moment: datetime) -> str:
    """Format *moment* for a tooltip: in the reader's zone, and in UTC."""
    return utc(moment) if zone_name() == "UTC" else f"{absolute(moment)} · {utc(moment)}"


def absolute(moment: datetime) -> str:
    """Format *moment* in the reader's zone and language, with the zone's name."""
    local = _local(moment)
    text = dates.format_datetime(local, "medium", locale=locale())
    return f"{text} {local.tzname() or ''}".strip()


def _local(moment: datetime) -> datetime:
    """Convert *moment* to the reader's zone, or to UTC if it would be out of range."""
    try:
        return moment.astimezone(zone())
    except OverflowError:
        return moment.astimezone(UTC)


def wall_time(local: datetime, *, with_seconds: bool = False) -> str:
    """Format a wall time with the weekday: ``Mon 2026-01-31 02:30``.

    Args:
        with_seconds: Show seconds even if they are 0, such as next to times with seconds.
    """
    time_of_day = local.strftime("%H:%M:%S" if with_seconds or local.second else "%H:%M")
    if locale().language == "en":
        return f"{local:%a %Y-%m-%d} {time_of_day}"
    return f"{dates.format_skeleton('yMMMEd', local.date(), locale=locale())} {time_of_day}"


def clock_time(moment: datetime, style: Literal["short", "medium"] = "short") -> str:
    """Format hours and minutes in the reader's zone; "medium" has seconds."""
    return dates.format_time(_local(moment), style, locale=locale())


def weekday(moment: datetime) -> str:
    """Format weekday and day of the month in the reader's zone: ``Mon 31``."""
    return dates.format_skeleton("EEEd", _local(moment), locale=locale())


def duration(length: timedelta) -> str:
    """Format a duration with one or two units: ``3 ms``, ``5.2 s``, ``2 min, 5 s``."""
    return amounts.duration(length, locale())


def number(value: Number | None) -> str:
    """Format a number of any size with groups, as short as possible without changing its value."""
    return "–" if value is None else grouped(value)


def grouped(value: Number) -> str:
    """Format a number with the language's groups and decimal point, without rounding."""
    return amounts.grouped(amounts.written(value), locale())


def short(value: Number) -> str:
    """Format a number with six significant digits and groups, for columns."""
    return amounts.grouped(amounts.rounded(value, 6), locale())


def percent(share: float) -> str:
    """Format a fraction as a percentage, with one decimal unless it is whole."""
    pattern = locale().percent_formats[None].pattern.replace("0", "0.#", 1)
    return str(numbers.format_percent(share, pattern, locale=locale()))


#: Template filters; their names are prefixed with ``taskadmin_``.
FILTERS: dict[str, Callable[..., str]] = {
    "ago": ago,
    "coming": coming,
    "utc": utc,
    "full": full,
    "absolute": absolute,
    "clock": clock_time,
    "wall": wall_time,
    "duration": duration,
    "number": number,
    "short": short,
    "percent": percent,
}
