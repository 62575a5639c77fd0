"""Languages, and how numbers and times are written in them: Babel for the current reader.

taskadmin's own texts are in catalogues of its own (``translations/``). A host that has a ``Babel`` chooses the language with its selector; where there is none, one is
made. A person's own choice of language and time zone, if there is one, comes before either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, dates, numbers
from babel.lists import format_list
from babel.support import NullTranslations, Translations
from babel.units import format_unit
from flask import g, has_app_context, has_request_context, request
from flask_babel import Babel, force_locale, refresh
from flask_babel import get_locale as babel_locale
from flask_babel.speaklater import LazyString
from markupsafe import Markup, escape

from . import texts
from .state import get_state

if TYPE_CHECKING:
    from flask import Flask

    from .models import User

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
#: Written otherwise, and in no catalogue here.
_TRADITIONAL = ("hant", "tw", "hk", "mo")
FOLDER = Path(__file__).parent / "translations"
DOMAIN = "taskadmin"
_ENGLISH = Locale("en")


def init_app(app: Flask) -> None:
    """Give *app* a Babel unless it has one, and ``texts`` its catalogues."""
    if "babel" not in app.extensions:
        Babel(configure_jinja=False).init_app(app, locale_selector=_choose)
    app.before_request(_force_own_language)
    app.jinja_env.globals.update(ta_t=_in_template, ta_n=_number_in_template)
    texts.use(_Catalogue())


class _Catalogue:
    """taskadmin's catalogues: English outside of a request."""

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

    def number(self, number: float) -> str:
        return grouped(number)

    def listed(self, items: Sequence[str]) -> str:
        if self.language == "en":  # without the comma before the last one that CLDR has
            return texts.ENGLISH.listed(items)
        return str(format_list(items, style="standard", locale=locale()))

    def day_of_year(self, month: int, day: int) -> str:
        if self.language == "en":
            return texts.ENGLISH.day_of_year(month, day)
        # A leap year, for the 29th of February.
        return str(dates.format_skeleton("MMMMd", date(2000, month, day), locale=locale()))


def _translations() -> NullTranslations | None:
    """The catalogue of the reader's language; None where English is read, or nothing else is there.

    A command or a worker writes logs and rows: those are English. A host's Babel may choose any
    locale, also one such as ``pt_PT``.
    """
    if not has_request_context():
        return None
    chosen = locale()
    # A page asks some thousand times. Whoever changes the language gives it another object.
    of, found = getattr(g, "taskadmin_catalogue", (None, None))
    if of is not chosen:
        name = _catalogue_of(chosen.language, chosen.script, chosen.territory)
        found = None if name in (None, "en") else _load(name)
        g.taskadmin_catalogue = (chosen, found)
    return found


@lru_cache(maxsize=len(LANGUAGES))
def _load(name: str) -> NullTranslations:
    found: NullTranslations = Translations.load(str(FOLDER), [name], DOMAIN)
    return found


def _catalogue_of(language: str, *rest: str | None) -> str | None:
    """The catalogue that readers of a language can read, given its script and its country."""
    is_other = any(part is not None and part.lower() in _TRADITIONAL for part in rest)
    return None if is_other else _BY_LANGUAGE.get(language)


def lazy_gettext(message: str, **variables: Any) -> Any:
    """*message* as an object that is translated when it is shown: for what is made at import."""
    return LazyString(texts.gettext, message, **variables)


def _in_template(message: str, **variables: Any) -> Markup:
    """``ta_t`` of templates; variables that are no markup are escaped."""
    text = _escaped(texts.gettext(message))
    return text % variables if variables else text


# Lists say the same few words in each of their rows.
@lru_cache(maxsize=4096)
def _escaped(text: str) -> Markup:
    return escape(text)


def _number_in_template(singular: str, plural: str, number: int, **variables: Any) -> Markup:
    """``ta_n`` of templates: ``%(num)s`` is the number."""
    if variables:
        marked = {name: escape(value) for name, value in variables.items()}
        return Markup(  # noqa: S704 - the variables are escaped, and catalogues hold no markup
            texts.ngettext(singular, plural, number, **marked)
        )
    return escape(texts.ngettext(singular, plural, number))


def _choose() -> str | None:
    """The language of the browser, as far as there is a catalogue."""
    if not has_request_context():
        return None
    for tag in request.accept_languages.values():
        name = _catalogue_of(*tag.lower().replace("_", "-").split("-"))
        if name is not None:
            return name
    return None


def _reader() -> User | None:
    """Who is signed in; looked up once, also while that is being found out."""
    if "taskadmin_reader" not in g:
        g.taskadmin_reader = None
        g.taskadmin_reader = get_state().current_user()
    reader: User | None = g.taskadmin_reader
    return reader


def _force_own_language() -> None:
    """Let Flask-Admin and WTForms speak the person's language on taskadmin's pages."""
    endpoint = request.endpoint or ""
    if not endpoint.startswith("taskadmin") or endpoint.endswith(".static"):
        return
    if request.blueprint == "taskadmin_health":
        return  # it is asked by machines, also while the database is away
    reader = _reader()
    if reader is not None and reader.language in LANGUAGES:
        speak(reader.language)


def speak(language: str | None) -> None:
    """Use a language for the rest of the request; None for what the browser asks for."""
    # Ended first: it would set back what comes after it.
    spoken = g.pop("taskadmin_language", None)
    if spoken is not None:
        spoken.__exit__(None, None, None)
    refresh()
    # Flask-WTF keeps the texts of WTForms there.
    setattr(request, "wtforms_translations", None)  # noqa: B010 - Flask's class doesn't know it
    if language is None:
        return
    forced = force_locale(language)
    forced.__enter__()
    g.taskadmin_language = forced  # collected, it would end at once


def locale() -> Locale:
    """The reader's locale; English outside of a request."""
    if not has_request_context():
        return _ENGLISH
    # A page asks some thousand times, and flask_babel asks Flask's proxies four times for each.
    chosen: Locale | None = getattr(getattr(g, "_flask_babel", None), "babel_locale", None)
    return chosen or babel_locale() or _ENGLISH


def language_tag() -> str:
    """The reader's language as HTML names it (BCP 47)."""
    return tag_of(str(locale()))


def tag_of(name: str) -> str:
    """A locale as HTML names it: ``pt-BR``."""
    return name.replace("_", "-")


def zone_name() -> str | None:
    """The zone that the reader has chosen; None leaves it to the browser."""
    reader = _reader() if has_request_context() else None
    return reader.zone if reader is not None else None


def zone() -> tzinfo:
    """The reader's zone, or UTC."""
    name = zone_name()
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def ago(moment: datetime) -> str:
    """How long ago *moment* was, or how soon it will be, in words."""
    length = moment - datetime.now(UTC)
    if abs(length) < timedelta(seconds=1):
        return texts.gettext("now")
    return _ago(round(length.total_seconds()), locale())


@lru_cache(maxsize=4096)
def _ago(seconds: int, language: Locale) -> str:
    return dates.format_timedelta(seconds, threshold=1.5, add_direction=True, locale=language)


def utc(moment: datetime) -> str:
    """*moment* for everybody: ``2026-01-31 12:00:00 UTC``."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'seconds')} UTC"


def absolute(moment: datetime) -> str:
    """*moment* in the reader's zone: date and time as the language writes them, and the zone."""
    local = moment.astimezone(zone())
    text = dates.format_datetime(local, "medium", locale=locale())
    return f"{text} {local.tzname() or ''}".strip()


def wall_time(local: datetime, *, with_seconds: bool = False) -> str:
    """What clocks of a zone show at *local*, with the weekday: ``Mon 2026-01-31 02:30``.

    Args:
        with_seconds: Show them where they are 0 too, as beside others that aren't.
    """
    time_of_day = local.strftime("%H:%M:%S" if with_seconds or local.second else "%H:%M")
    if locale().language == "en":
        return f"{local:%a %Y-%m-%d} {time_of_day}"
    return f"{dates.format_skeleton('yMMMEd', local.date(), locale=locale())} {time_of_day}"


def clock_time(moment: datetime) -> str:
    """Hours and minutes in the reader's zone."""
    return dates.format_time(moment.astimezone(zone()), "short", locale=locale())


def weekday(moment: datetime) -> str:
    """Weekday and day of the month in the reader's zone: ``Mon 31``."""
    return dates.format_skeleton("EEEd", moment.astimezone(zone()), locale=locale())


_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def duration(length: timedelta) -> str:
    """A duration with a fitting unit, or two: ``3 ms``, ``5.2 s``, ``2 min, 5 s``."""
    return _duration(length, locale())


# Pages over long lists write the same few numbers again and again, and Babel reads its patterns
# anew for each.
@lru_cache(maxsize=4096)
def _duration(length: timedelta, language: Locale) -> str:
    seconds = length.total_seconds()
    if seconds < 1:
        return _unit_of(round(seconds * 1000), "duration-millisecond", language)
    if seconds < 60:
        return _unit_of(round(seconds, 1), "duration-second", language)
    rest, parts = round(seconds), []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(_unit_of(count, f"duration-{name}", language))
        elif parts:
            break  # two units that don't follow each other say more than anybody wants to know
        if len(parts) == 2:
            break
    return str(format_list(parts, style="unit-short", locale=language))


def grouped(value: float) -> str:
    """A number with the language's groups and point."""
    return _grouped(value, locale())


# Typed, because 1 and 1.0 are written differently.
@lru_cache(maxsize=4096, typed=True)
def _grouped(value: float, language: Locale) -> str:
    return str(numbers.format_decimal(value, locale=language, decimal_quantization=False))


@lru_cache(maxsize=4096, typed=True)
def _unit_of(amount: float, unit: str, language: Locale) -> str:
    return str(format_unit(amount, unit, "short", locale=language))


def number(value: float | None) -> str:
    """A number as short as it can be without becoming another one, with groups."""
    if value is None:
        return "–"
    if isinstance(value, float) and (abs(value) >= 1e15 or 0 < abs(value) < 1e-4):
        return repr(value).replace("-", "−")
    if isinstance(value, float) and float(format(value, ".15g")) == value:
        return _exact(format(value, ".15g"))
    return _exact(repr(value))


def short(value: float) -> str:
    """A number with six digits that count, grouped: for columns."""
    text = format(value, ".6g")
    return text.replace("-", "−") if "e" in text else _exact(text)


def percent(share: float) -> str:
    """A share of 1 as per cent, with one decimal unless it is whole."""
    pattern = locale().percent_formats[None].pattern.replace("0", "0.#", 1)
    return str(numbers.format_percent(share, pattern, locale=locale()))


def _exact(digits: str) -> str:
    """Digits with the language's groups and point, none of them rounded away."""
    return _exact_in(digits, locale())


@lru_cache(maxsize=4096)
def _exact_in(digits: str, language: Locale) -> str:
    if not digits.lstrip("-").replace(".", "", 1).isdigit():
        return digits  # no finite number, or one with an exponent
    whole, _, fraction = digits.lstrip("-").partition(".")
    text = _grouped(int(whole), language)
    if fraction:
        text += numbers.get_decimal_symbol(language) + fraction
    return f"−{text}" if digits.startswith("-") else text


#: Names of the filters of templates, each behind ``taskadmin_``.
FILTERS: dict[str, Callable[..., str]] = {
    "ago": ago,
    "utc": utc,
    "absolute": absolute,
    "clock": clock_time,
    "wall": wall_time,
    "duration": duration,
    "number": number,
    "short": short,
    "percent": percent,
}


def in_english() -> bool:
    """Whether the reader reads what the code has."""
    return not has_app_context() or locale().language == "en"
