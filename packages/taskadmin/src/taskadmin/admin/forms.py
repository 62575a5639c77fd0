"""Forms of the admin pages."""

from __future__ import annotations

from wtforms import BooleanField, PasswordField

from ..i18n import lazy_gettext
from ..shell import PageForm


class RolesForm(PageForm):
    """What a person may do."""

    is_active = BooleanField(lazy_gettext("Active"), description=lazy_gettext("May log in."))
    is_superuser = BooleanField(
        lazy_gettext("Superuser"), description=lazy_gettext("Manages tasks and users.")
    )
    can_review_tasks = BooleanField(
        lazy_gettext("Reviewer"),
        description=lazy_gettext("Sees who has which tasks and how they run, and changes nothing."),
    )


class PasswordForm(PageForm):
    """Somebody else's new password; empty for one made at random."""

    password = PasswordField(
        lazy_gettext("New password"),
        description=lazy_gettext("Leave it empty to have one made at random."),
        render_kw={"maxlength": 4096, "autocomplete": "new-password"},
    )


class ConfirmedForm(PageForm):
    """Nothing but the CSRF token."""
