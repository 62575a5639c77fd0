"""Forms of the pages of API tokens."""

from __future__ import annotations

from wtforms import StringField, SubmitField

from ...models.people.token import TOKEN_NAME_MAX_LENGTH
from ...service import Scope
from ...service.tokens import DEFAULT_LIFE, MAX_LIFE
from ...translation.i18n import lazy_gettext
from ...translation.texts import ngettext
from ...web.choice_field import ChoiceField
from ...web.layout import PageForm

#: Days to choose from.
_DAYS = (7, 30, DEFAULT_LIFE.days, 180, MAX_LIFE.days)


class TokenForm(PageForm):
    """A new token."""

    name = StringField(
        lazy_gettext("Name"),
        description=lazy_gettext("What it is for: the program or the machine that uses it."),
        render_kw={"maxlength": TOKEN_NAME_MAX_LENGTH, "autocomplete": "off"},
    )
    scope = ChoiceField(
        lazy_gettext("Use"),
        options={
            Scope.READ.value: lazy_gettext("Read"),
            Scope.RUN.value: lazy_gettext("Read and run"),
            Scope.MANAGE.value: lazy_gettext("Read, run and manage"),
        },
        description=lazy_gettext(
            "Run: start, retry and cancel. Manage: create, edit, pause and delete. A token never"
            " may do more than you."
        ),
    )
    days = ChoiceField(lazy_gettext("Lasts"), options={}, default=str(DEFAULT_LIFE.days))
    submit = SubmitField(lazy_gettext("Create token"))

    def __init__(self) -> None:
        super().__init__()
        self.days.options = {
            str(days): ngettext("%(num)s day", "%(num)s days", days) for days in _DAYS
        }


class RevokeForm(PageForm):
    """Only the CSRF token."""
