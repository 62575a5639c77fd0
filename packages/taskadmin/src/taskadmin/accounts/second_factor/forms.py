"""Forms of the second factor."""

from __future__ import annotations

from wtforms import HiddenField

from ...translation.i18n import lazy_gettext
from ...web.layout import PageForm
from ..forms import code_field


class CodeForm(PageForm):
    """A code of the app, or a recovery code."""

    code = code_field(
        lazy_gettext("Code"),
        description=lazy_gettext("From your authenticator app, or one of your recovery codes."),
    )


class SetupForm(PageForm):
    """The first code of the app; the hidden field holds the secret that the page showed."""

    secret = HiddenField()
    code = code_field(lazy_gettext("Code from the app"), inputmode="numeric")
