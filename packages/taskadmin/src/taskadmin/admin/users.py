"""Users: roles and the active switch. Superusers only; never the password hash."""

from __future__ import annotations

import logging

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..errors import LastSuperuser
from ..models import User
from ..shell import error_page
from ..store import users
from .access import number_of
from .actor import current_actor
from .forms import RolesForm
from .model_view import ProtectedModelView

log = logging.getLogger("taskadmin.admin")


class UsersView(ProtectedModelView):
    """People register themselves and are deactivated, not deleted."""

    list_template = "taskadmin/users/list.html"
    form = RolesForm
    can_create = False
    can_delete = False
    can_view_details = False
    column_list = ("username", "is_active", "is_superuser", "can_review_tasks", "created_at")
    column_sortable_list = column_list
    column_searchable_list = ("username",)
    column_default_sort = "username_key"

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """Change what a person may do."""
        number = number_of(request.args.get("id"))
        person = None if number is None else self.database.get(User, number)
        if person is None:
            return error_page(404)
        form = RolesForm(obj=person)
        if form.validate_on_submit() and self._save(person, form):
            return redirect(self.get_url(".index_view"))
        page = self.render("taskadmin/users/form.html", form=form, person=person)
        return page, 422 if form.errors else 200

    def _save(self, person: User, form: RolesForm) -> bool:
        username, by = person.username, self.user.username
        roles = {
            "is_active": form.is_active.data,
            "is_superuser": form.is_superuser.data,
            "can_review_tasks": form.can_review_tasks.data,
        }
        try:
            users.set_roles(self.database, person.id, **roles, actor=current_actor())
        except LastSuperuser as error:
            form.is_superuser.errors = [str(error)]
            return False
        granted = ", ".join(name for name, value in roles.items() if value) or "nothing"
        log.info("%s set the roles of %s: %s", by, username, granted)
        flash(f"The roles of {username} are saved.", "success")
        return True
