"""Forms of the account pages."""

from __future__ import annotations

from typing import Any

from wtforms import Field, PasswordField, StringField, SubmitField, ValidationError
from wtforms.validators import EqualTo, InputRequired

from ..errors import InvalidUsername
from ..i18n import LANGUAGES, lazy_gettext
from ..models.user import USERNAME_MAX_LENGTH
from ..schedules import InvalidSchedule
from ..schedules.zones import get_zone
from ..shell import PageForm
from ..store.usernames import normalize_username
from ..texts import gettext
from .passwords import MAX_LENGTH, MIN_LENGTH, check_new_password

_ENOUGH = lazy_gettext("At least %(number)s characters.", number=MIN_LENGTH)
_DIFFER = lazy_gettext("The two passwords differ.")


def acceptable_password(_form: Any, field: Field) -> None:
    """Validator: the field holds a password that may be set."""
    try:
        check_new_password(field.data or "")
    except ValueError as error:
        raise ValidationError(str(error)) from error


def acceptable_username(_form: Any, field: Field) -> None:
    """Validator: the field holds a possible username."""
    try:
        normalize_username(field.data or "")
    except InvalidUsername as error:
        raise ValidationError(str(error)) from error


def known_language(_form: Any, field: Field) -> None:
    """Validator: the field is empty, or names one of the languages."""
    if field.data and field.data not in LANGUAGES:
        raise ValidationError(gettext("There is no such language here: choose one of the list."))


def known_zone(_form: Any, field: Field) -> None:
    """Validator: the field is empty, or names a time zone."""
    try:
        if field.data:
            get_zone(field.data)
    except InvalidSchedule as error:
        raise ValidationError(error.message) from error


def _stripped(text: str | None) -> str:
    return (text or "").strip()


def _password(label: Any, *validators: Any, autocomplete: str) -> PasswordField:
    new = acceptable_password in validators
    return PasswordField(
        label,
        validators=list(validators),
        description=_ENOUGH if new else "",
        render_kw={"maxlength": MAX_LENGTH, "autocomplete": autocomplete},
    )


class LoginForm(PageForm):
    """Name and password."""

    username = StringField(
        lazy_gettext("Username"),
        validators=[InputRequired(lazy_gettext("Enter your username."))],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = _password(
        lazy_gettext("Password"),
        InputRequired(lazy_gettext("Enter your password.")),
        autocomplete="current-password",
    )
    submit = SubmitField(lazy_gettext("Log in"))


class RegisterForm(PageForm):
    """A new account."""

    username = StringField(
        lazy_gettext("Username"),
        validators=[acceptable_username],
        description=lazy_gettext("Letters of any script, digits and punctuation; no spaces."),
        render_kw={
            "autocomplete": "username",
            "autocapitalize": "none",
            "spellcheck": "false",
            "maxlength": USERNAME_MAX_LENGTH,
        },
    )
    password = _password(lazy_gettext("Password"), acceptable_password, autocomplete="new-password")
    confirm = _password(
        lazy_gettext("Password once more"),
        EqualTo("password", _DIFFER),
        autocomplete="new-password",
    )
    submit = SubmitField(lazy_gettext("Register"))


class ChangePasswordForm(PageForm):
    """The current password and a new one."""

    current = _password(
        lazy_gettext("Current password"),
        InputRequired(lazy_gettext("Enter your current password.")),
        autocomplete="current-password",
    )
    password = _password(
        lazy_gettext("New password"), acceptable_password, autocomplete="new-password"
    )
    confirm = _password(
        lazy_gettext("New password once more"),
        EqualTo("password", _DIFFER),
        autocomplete="new-password",
    )
    submit = SubmitField(lazy_gettext("Change password"))


class PreferencesForm(PageForm):
    """How pages are shown to a person; empty for what the browser says."""

    language = StringField(
        lazy_gettext("Language"), filters=[_stripped], validators=[known_language]
    )
    zone = StringField(
        lazy_gettext("Time zone"),
        filters=[_stripped],
        validators=[known_zone],
        description=lazy_gettext("An IANA name, such as Europe/Berlin; empty for the browser's."),
        render_kw={"list": "zones", "autocomplete": "off", "spellcheck": "false", "maxlength": 64},
    )
    submit = SubmitField(lazy_gettext("Save"))


class LogoutForm(PageForm):
    """Nothing but the CSRF token."""
