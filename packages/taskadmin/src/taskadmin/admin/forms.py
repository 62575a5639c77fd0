"""Forms of the admin pages."""

from __future__ import annotations

from wtforms import BooleanField

from ..shell import PageForm


class RolesForm(PageForm):
    """What a person may do."""

    is_active = BooleanField("Active", description="May log in.")
    is_superuser = BooleanField("Superuser", description="Manages tasks and users.")
    can_review_tasks = BooleanField(
        "Reviewer", description="Sees who has how many tasks, and nothing else."
    )


class ConfirmedForm(PageForm):
    """Nothing but the CSRF token."""
