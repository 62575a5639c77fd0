"""Forms of the account pages."""

from __future__ import annotations

from wtforms import Field, PasswordField, StringField, SubmitField, ValidationError
from wtforms.validators import EqualTo, InputRequired

from ..errors import InvalidPassword, InvalidUsername
from ..models.user import USERNAME_MAX_LENGTH
from ..schedules import InvalidSchedule
from ..schedules.zones import get_zone
from ..store.people.passwords import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, check_form
from ..store.people.usernames import check_new_username
from ..translation.i18n import lazy_gettext
from ..translation.languages import LANGUAGES
from ..translation.texts import gettext
from ..web.layout import PageForm

_TOO_SHORT = lazy_gettext("At least %(number)s characters.", number=MIN_PASSWORD_LENGTH)
_DIFFER = lazy_gettext("The passwords don't match.")


def acceptable_password(_form: object, field: Field) -> None:
    """Validate the length of a new password; the service checks its strength."""
    try:
        check_form(field.data or "")
    except InvalidPassword as error:
        raise ValidationError(str(error)) from error


def acceptable_username(_form: object, field: Field) -> None:
    """Validate that the field holds a username that can be registered."""
    try:
        check_new_username(field.data or "")
    except InvalidUsername as error:
        raise ValidationError(str(error)) from error


def known_language(_form: object, field: Field) -> None:
    """Validate that the field is empty or a supported language."""
    if field.data and field.data not in LANGUAGES:
        raise ValidationError(gettext("Unknown language. Choose one from the list."))


def known_zone(_form: object, field: Field) -> None:
    """Validate that the field is empty or a time zone."""
    try:
        if field.data:
            get_zone(field.data)
    except InvalidSchedule as error:
        raise ValidationError(error.message) from error


def _stripped(text: str | None) -> str:
    return (text or "").strip()


def _password(label: object, *validators: object, autocomplete: str) -> PasswordField:
    new = acceptable_password in validators
    return PasswordField(
        label,
        validators=list(validators),
        description=_TOO_SHORT if new else "",
        render_kw={"maxlength": MAX_PASSWORD_LENGTH, "autocomplete": autocomplete},
    )


def code_field(label: object, *, description: object = "", **attributes: str) -> StringField:
    """Create a field for a code of the second factor."""
    return StringField(
        label,
        validators=[InputRequired(lazy_gettext("Enter the code."))],
        description=description,
        render_kw={
            "autocomplete": "one-time-code",
            "autocapitalize": "none",
            "spellcheck": "false",
            "maxlength": 40,
            **attributes,
        },
    )


class LoginForm(PageForm):
    """Username and password."""

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
        lazy_gettext("Confirm password"),
        EqualTo("password", _DIFFER),
        autocomplete="new-password",
    )
    submit = SubmitField(lazy_gettext("Register"))


class NewPasswordForm(PageForm):
    """A new password that replaces one set by another user."""

    password = _password(
        lazy_gettext("New password"), acceptable_password, autocomplete="new-password"
    )
    confirm = _password(
        lazy_gettext("Confirm new password"),
        EqualTo("password", _DIFFER),
        autocomplete="new-password",
    )
    submit = SubmitField(lazy_gettext("Change password"))


class ChangePasswordForm(NewPasswordForm):
    """The current password and a new one."""

    current = _password(
        lazy_gettext("Current password"),
        InputRequired(lazy_gettext("Enter your current password.")),
        autocomplete="current-password",
    )


class ConfirmForm(PageForm):
    """Password and code again, with field names that differ from those of interrupted forms."""

    NAME = "confirm_password"
    confirm_password = _password(
        lazy_gettext("Password"),
        InputRequired(lazy_gettext("Enter your password.")),
        autocomplete="current-password",
    )
    confirm_code = code_field(
        lazy_gettext("Code"),
        description=lazy_gettext("From your authenticator app, or one of your recovery codes."),
    )


class PreferencesForm(PageForm):
    """Language and time zone of the pages; empty for the browser's."""

    language = StringField(
        lazy_gettext("Language"), filters=[_stripped], validators=[known_language]
    )
    zone = StringField(
        lazy_gettext("Time zone"),
        filters=[_stripped],
        validators=[known_zone],
        description=lazy_gettext(
            "IANA name, such as Europe/Berlin. Leave empty to use the browser's time zone."
        ),
        render_kw={"list": "zones", "autocomplete": "off", "spellcheck": "false", "maxlength": 64},
    )
    submit = SubmitField(lazy_gettext("Save"))


class LogoutForm(PageForm):
    """Only the CSRF token."""
