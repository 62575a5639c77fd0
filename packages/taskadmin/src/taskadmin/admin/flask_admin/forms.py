"""Forms of the admin pages."""

from __future__ import annotations

from wtforms import BooleanField, PasswordField

from ...translation.i18n import lazy_gettext
from ...web.layout import PageForm


class RolesForm(PageForm):
    """Roles of a user."""

    is_active = BooleanField(lazy_gettext("Active"), description=lazy_gettext("Can log in."))
    is_superuser = BooleanField(
        lazy_gettext("Superuser"), description=lazy_gettext("Manages tasks and users.")
    )
    can_review_tasks = BooleanField(
        lazy_gettext("Reviewer"),
        description=lazy_gettext("Can see everyone's tasks and runs, but change nothing."),
    )


class PasswordForm(PageForm):
    """New password for another user; empty to generate one."""

    password = PasswordField(
        lazy_gettext("New password"),
        description=lazy_gettext("Leave empty to generate a random one."),
        render_kw={"maxlength": 4096, "autocomplete": "new-password"},
    )


class ConfirmedForm(PageForm):
    """Only the CSRF token."""
