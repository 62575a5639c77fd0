"""Forms of the account pages."""

from __future__ import annotations

from typing import Any

from wtforms import Field, PasswordField, StringField, SubmitField, ValidationError
from wtforms.validators import EqualTo, InputRequired

from ..errors import InvalidUsername
from ..models.user import USERNAME_MAX_LENGTH
from ..shell import PageForm
from ..store.usernames import normalize_username
from .passwords import MAX_LENGTH, MIN_LENGTH, check_new_password


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


def _password(label: str, *validators: Any, autocomplete: str) -> PasswordField:
    new = acceptable_password in validators
    return PasswordField(
        label,
        validators=list(validators),
        description=f"At least {MIN_LENGTH} characters." if new else "",
        render_kw={"maxlength": MAX_LENGTH, "autocomplete": autocomplete},
    )


class LoginForm(PageForm):
    """Name and password."""

    username = StringField(
        "Username",
        validators=[InputRequired("Enter your username.")],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = _password(
        "Password", InputRequired("Enter your password."), autocomplete="current-password"
    )
    submit = SubmitField("Log in")


class RegisterForm(PageForm):
    """A new account."""

    username = StringField(
        "Username",
        validators=[acceptable_username],
        description="Letters of any script, digits and punctuation; no spaces.",
        render_kw={
            "autocomplete": "username",
            "autocapitalize": "none",
            "spellcheck": "false",
            "maxlength": USERNAME_MAX_LENGTH,
        },
    )
    password = _password("Password", acceptable_password, autocomplete="new-password")
    confirm = _password(
        "Password once more",
        EqualTo("password", "The two passwords differ."),
        autocomplete="new-password",
    )
    submit = SubmitField("Register")


class ChangePasswordForm(PageForm):
    """The current password and a new one."""

    current = _password(
        "Current password",
        InputRequired("Enter your current password."),
        autocomplete="current-password",
    )
    password = _password("New password", acceptable_password, autocomplete="new-password")
    confirm = _password(
        "New password once more",
        EqualTo("password", "The two passwords differ."),
        autocomplete="new-password",
    )
    submit = SubmitField("Change password")


class LogoutForm(PageForm):
    """Nothing but the CSRF token."""
