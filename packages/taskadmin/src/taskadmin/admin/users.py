"""Users: roles, the active switch, new passwords. Superusers only; never the password hash."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any

from flask import Response, flash, make_response, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import ColumnElement, and_, not_, or_

from ..errors import LastSuperuser
from ..i18n import lazy_gettext
from ..models import User
from ..shell import error_page
from ..store import users
from ..texts import gettext
from .access import number_of
from .actor import current_actor
from .forms import PasswordForm, RolesForm
from .model_view import ProtectedModelView

log = logging.getLogger("taskadmin.admin")

#: What the tabs show, by what the address says.
_TABS: dict[str, tuple[Any, Callable[[], ColumnElement[bool]]]] = {
    "superusers": (
        lazy_gettext("Superusers"),
        lambda: and_(User.is_active, User.is_superuser),
    ),
    "reviewers": (
        lazy_gettext("Reviewers"),
        lambda: and_(User.is_active, User.can_review_tasks),
    ),
    "none": (
        lazy_gettext("Without rights"),
        lambda: and_(User.is_active, not_(or_(User.is_superuser, User.can_review_tasks))),
    ),
    "deactivated": (lazy_gettext("Deactivated"), lambda: not_(User.is_active)),
}
#: Characters that nobody takes for another one: 20 of them are 99 bits.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_PARTS, _LENGTH = 4, 5


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

    def get_query(self) -> Any:
        """The people of the tab that the address asks for (``show``)."""
        return super().get_query().filter(*self._conditions())

    def get_count_query(self) -> Any:
        """How many there are."""
        return super().get_count_query().filter(*self._conditions())

    def render(self, template: str, **context: Any) -> str:
        """Add the tabs to the list."""
        if template == self.list_template:
            context["show"] = request.args.get("show") or None
            context["tabs"] = {name: label for name, (label, _) in _TABS.items()}
            context["counts"] = users.count_users(
                self.database, {name: condition() for name, (_, condition) in _TABS.items()}
            )
            context["most"] = users.COUNTED
        rendered: str = super().render(template, **context)
        return rendered

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """People by tab (``show``) and name (``search``)."""
        if request.args.get("show") and request.args["show"] not in _TABS:
            return error_page(404)
        page: ResponseReturnValue = super().index_view()
        return page

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """Change what a person may do."""
        person = self._person()
        if person is None:
            return error_page(404)
        form = RolesForm(obj=person)
        if not self._has_accounts:  # the host's word counts, at the person's next visit
            del form.is_superuser, form.can_review_tasks
        if form.validate_on_submit() and self._save(person, form):
            return redirect(self.get_url(".index_view"))
        return self._form_page(person, form)

    @expose("/password/", methods=("POST",))
    def password_view(self) -> ResponseReturnValue:
        """Give a person a new password, and show it once."""
        person = self._person()
        hash_password = self.state.hash_password
        # One's own is changed in the profile, by who knows it.
        if person is None or person.id == self.user.id or hash_password is None:
            return error_page(404)
        form = PasswordForm()
        if not form.validate_on_submit():
            return error_page(400)
        password = form.password.data or _random_password()
        try:
            password_hash = hash_password(password)
        except ValueError as error:
            form.password.errors = [str(error)]
            return self._form_page(person, RolesForm(obj=person), form)
        users.set_password_hash(self.database, person, password_hash, actor=current_actor())
        log.info("%s set the password of %s", self.user.username, person.username)
        page = self.render("taskadmin/users/password.html", person=person, password=password)
        return _not_kept(page)

    @property
    def _has_accounts(self) -> bool:
        return self.state.hash_password is not None

    def _conditions(self) -> list[ColumnElement[bool]]:
        tab = _TABS.get(request.args.get("show", ""))
        return [] if tab is None else [tab[1]()]

    def _person(self) -> User | None:
        number = number_of(request.args.get("id"))
        return None if number is None else self.database.get(User, number)

    def _form_page(
        self, person: User, form: RolesForm, password_form: PasswordForm | None = None
    ) -> ResponseReturnValue:
        if password_form is not None:
            form.process(obj=person)  # the other form of the page was sent
        page = self.render(
            "taskadmin/users/form.html",
            form=form,
            password_form=password_form or PasswordForm(),
            person=person,
            has_accounts=self._has_accounts,
            is_oneself=person.id == self.user.id,
        )
        failed = form.errors or (password_form is not None and password_form.errors)
        return page, 422 if failed else 200

    def _save(self, person: User, form: RolesForm) -> bool:
        username, by = person.username, self.user.username
        roles = {
            name: form[name].data if name in form else getattr(person, name)
            for name in ("is_active", "is_superuser", "can_review_tasks")
        }
        try:
            users.set_roles(self.database, person.id, **roles, actor=current_actor())
        except LastSuperuser as error:
            field = form.is_superuser if "is_superuser" in form else form.is_active
            field.errors = [str(error)]
            return False
        granted = ", ".join(name for name, value in roles.items() if value) or "nothing"
        log.info("%s set the roles of %s: %s", by, username, granted)
        flash(gettext("The roles of %(name)s are saved.", name=username), "success")
        return True


def _random_password() -> str:
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(_PARTS)
    )


def _not_kept(page: str) -> Response:
    """A page that no cache keeps, also not for going back."""
    answer = make_response(page)
    answer.headers["Cache-Control"] = "no-store"
    return answer
