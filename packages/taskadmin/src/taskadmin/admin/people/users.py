"""Users pages: roles, activation, new passwords. Superusers only; hashes are never shown."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from flask import flash, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import ColumnElement, and_, not_, or_

from ... import service
from ...errors import InvalidPassword, LastSuperuser
from ...models import User
from ...search.language import searchable
from ...store.database.counting import MAX_COUNTED
from ...store.people.second_factors import find_second_factor
from ...store.people.sessions import sessions_of
from ...store.people.throttle import THROTTLE_RULES, Counter
from ...store.people.users import count_users
from ...translation.i18n import lazy_gettext
from ...translation.texts import gettext
from ...values.ids import parse_id
from ...web.actor import current_actor
from ...web.error_pages import error_page
from ...web.redirects import redirect
from ..flask_admin.forms import ConfirmedForm, PasswordForm, RolesForm
from ..flask_admin.model_view import ProtectedModelView

#: Label and condition of each tab, by its name in the URL.
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
        lazy_gettext("No role"),
        lambda: and_(User.is_active, not_(or_(User.is_superuser, User.can_review_tasks))),
    ),
    "deactivated": (lazy_gettext("Deactivated"), lambda: not_(User.is_active)),
}
#: Characters that can't be confused with each other; 20 of them hold 99 bits.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_PASSWORD_GROUPS, _GROUP_CHARACTERS = 4, 5
#: Blocked accounts and addresses that are shown, those that wait longest.
_MAX_LISTED_WAITS = 100


class UsersView(ProtectedModelView):
    """Users register themselves and are deactivated instead of deleted."""

    list_template = "taskadmin/people/users.html"
    form = RolesForm
    can_create = False
    can_delete = False
    can_view_details = False
    column_list = ("username", "is_active", "is_superuser", "can_review_tasks", "created_at")
    column_sortable_list = column_list
    column_searchable_list = ("username",)
    column_default_sort = "username_key"

    def get_query(self) -> object:
        """Query the users of the tab in the URL (``show``)."""
        return super().get_query().filter(*self._conditions())

    def get_count_query(self) -> object:
        """Count the users of the tab."""
        return super().get_count_query().filter(*self._conditions())

    def render(self, template: str, **context: Any) -> str:
        """Add the tabs to the list."""
        if template == self.list_template:
            context["show"] = request.args.get("show") or None
            context["search"] = searchable(context["search"])
            context["tabs"] = {name: label for name, (label, _) in _TABS.items()}
            context["counts"] = count_users(
                self.database, {name: condition() for name, (_, condition) in _TABS.items()}
            )
            context["most"] = MAX_COUNTED
            waits = service.find_waits(limit=_MAX_LISTED_WAITS)
            context["waits"] = waits
            context["blocked"] = {wait.key: wait for wait in waits if wait.kind == "account"}
        rendered: str = super().render(template, **context)
        return rendered

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """List users by tab (``show``) and name (``search``)."""
        if request.args.get("show") and request.args["show"] not in _TABS:
            return error_page(404)
        page: ResponseReturnValue = super().index_view()
        return page

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """Change a user's roles or deactivate the user."""
        person = self._person()
        if person is None:
            return error_page(404)
        asked = self.state.ask_for_password(None)
        if asked is not None:
            return asked
        form = RolesForm(obj=person)
        if not self._has_accounts:  # the host's identity function sets roles at the next visit
            del form.is_superuser, form.can_review_tasks
        if form.validate_on_submit() and self._save(person, form):
            return redirect(self.get_url(".index_view"))
        return self._form_page(person, form)

    @expose("/password/", methods=("POST",))
    def password_view(self) -> ResponseReturnValue:
        """Set a new password for a user and show it once."""
        person = self._person()
        # Users change their own in the profile, where the current one is required.
        if person is None or person.id == self.user.id or not self._has_accounts:
            return error_page(404)
        form = PasswordForm()
        if not form.validate_on_submit():
            return error_page(400)
        asked = self.state.ask_for_password(self.get_url(".edit_view", id=person.id))
        if asked is not None:
            return asked
        password = form.password.data or _random_password()
        try:
            service.set_password(person.id, password, actor=current_actor())
        except InvalidPassword as error:
            form.password.errors = [str(error)]
            return self._form_page(person, RolesForm(obj=person), form)
        return self.render("taskadmin/people/password.html", person=person, password=password)

    @expose("/unblock/", methods=("POST",))
    def unblock_view(self) -> ResponseReturnValue:
        """Forget the failed attempts of an account, an address or a browser."""
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        kind, key = request.form.get("kind", ""), request.form.get("key", "")
        if kind not in THROTTLE_RULES or not service.clear_wait(
            Counter(kind, key), actor=current_actor()
        ):
            return error_page(404)
        flash(gettext("%(name)s can try again now.", name=key), "success")
        return redirect(self.get_url(".index_view"))

    @expose("/sessions/", methods=("POST",))
    def sessions_view(self) -> ResponseReturnValue:
        """Log a user out everywhere, and remove the second factor if the button says so."""
        person = self._person()
        # Users end their own in the profile.
        if person is None or person.id == self.user.id or not self._has_accounts:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        asked = self.state.ask_for_password(None)
        if asked is not None:
            return asked
        name = person.username
        if request.form.get("second_factor") == "remove":
            service.remove_second_factor(person.id, actor=current_actor())
            flash(gettext("Second factor of %(name)s removed.", name=name), "success")
        else:
            service.end_sessions(person.id, actor=current_actor())
            flash(gettext("%(name)s is logged out everywhere.", name=name), "success")
        return redirect(self.get_url(".edit_view", id=person.id))

    @expose("/revoke-token/", methods=("POST",))
    def revoke_token_view(self) -> ResponseReturnValue:
        """Revoke one of a user's API tokens."""
        person, token_id = self._person(), parse_id(request.args.get("token"))
        tokens = [] if person is None else service.find_tokens(person.id)
        token = next((one for one in tokens if one.id == token_id), None)
        if person is None or token is None:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        asked = self.state.ask_for_password(None)
        if asked is not None:
            return asked
        service.revoke_token(person.id, token.id, actor=current_actor())
        flash(gettext("Token %(name)s revoked.", name=token.name), "success")
        return redirect(self.get_url(".edit_view", id=person.id))

    @property
    def _has_accounts(self) -> bool:
        return not self.state.has_identity

    def _conditions(self) -> list[ColumnElement[bool]]:
        tab = _TABS.get(request.args.get("show", ""))
        return [] if tab is None else [tab[1]()]

    def _person(self) -> User | None:
        number = parse_id(request.args.get("id"))
        return None if number is None else self.database.get(User, number)

    def _form_page(
        self, person: User, form: RolesForm, password_form: PasswordForm | None = None
    ) -> ResponseReturnValue:
        if password_form is not None:
            form.process(obj=person)  # the page's other form was submitted
        page = self.render(
            "taskadmin/people/form.html",
            form=form,
            password_form=password_form or PasswordForm(),
            person=person,
            has_accounts=self._has_accounts,
            is_oneself=person.id == self.user.id,
            sessions=len(sessions_of(self.database, person, self.state.settings.session_limits)),
            second_factor=find_second_factor(self.database, person.id),
            tokens=service.find_tokens(person.id),
        )
        failed = form.errors or (password_form is not None and password_form.errors)
        return page, 422 if failed else 200

    def _save(self, person: User, form: RolesForm) -> bool:
        username = person.username
        names = ("is_active", "is_superuser", "can_review_tasks")
        roles = {name: form[name].data for name in names if name in form}
        try:
            service.edit_user(person.id, **roles, actor=current_actor())
        except LastSuperuser as error:
            field = form.is_superuser if "is_superuser" in form else form.is_active
            field.errors = [str(error)]
            return False
        flash(gettext("Roles of %(name)s saved.", name=username), "success")
        return True


def _random_password() -> str:
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARACTERS))
        for _ in range(_PASSWORD_GROUPS)
    )
