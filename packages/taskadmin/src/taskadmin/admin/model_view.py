"""Flask-Admin's model view made safe against hand-made addresses."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import abort, redirect, request
from flask_admin.contrib.sqla import ModelView
from flask_admin.model.base import ViewArgs
from flask_wtf import FlaskForm

from .access import ProtectedView, number_of

#: No list has more pages; a larger number in an address is a typing error or a probe.
_MAX_PAGE = 1_000_000
_MAX_SEARCH = 200


class ProtectedModelView(ProtectedView, ModelView):
    """A list of rows with a page for each, by ``FlaskForm`` and taskadmin's templates."""

    # CSRF tokens that work whether or not the host has Flask-WTF's CSRFProtect.
    form_base_class = FlaskForm
    can_view_details = True
    can_set_page_size = False
    page_size = 50
    column_display_actions = False

    def _get_list_extra_args(self) -> ViewArgs:
        # Flask-Admin's own name for reading the query; what it returns goes into SQL.
        given = super()._get_list_extra_args()
        given.page = min(max(given.page or 0, 0), _MAX_PAGE)
        given.page_size = 0
        given.search = searchable(given.search)
        given.sort_desc = 1 if given.sort_desc else 0
        return given

    def get_list(self, page: int | None, *arguments: Any, **options: Any) -> Any:
        """The rows of a page; a page behind the last one leads to the first, with its filter."""
        count, rows = self.rows_of(page, *arguments, **options)
        if page and not rows:
            kept = {name: value for name, value in request.args.items() if name != "page"}
            query = f"?{urlencode(kept)}" if kept else ""
            abort(redirect(self.get_url(".index_view") + query))
        return count, rows

    def rows_of(self, page: int | None, *arguments: Any, **options: Any) -> Any:
        """How many rows there are, and those of a page; the arguments are ``get_list``'s."""
        return super().get_list(page, *arguments, **options)

    def get_one(self, id: str) -> Any:  # noqa: A002 - Flask-Admin's name
        """The row of this id; None if no id can look like that."""
        number = number_of(id)
        return None if number is None else super().get_one(str(number))

    def get_pk_value(self, model: Any) -> Any:
        """The id, as a number: PostgreSQL compares numbers with numbers only."""
        return model.id


def searchable(text: str | None) -> str | None:
    """What a person may have typed, without what PostgreSQL can't take."""
    if text is None:
        return None
    return text.replace("\0", "").strip()[:_MAX_SEARCH] or None
