"""Flask-Admin's model view, hardened against hand-made URLs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import abort, request
from flask_admin.contrib.sqla import ModelView
from flask_wtf import FlaskForm
from sqlalchemy import func

from ...search.language import searchable
from ...values.ids import parse_id
from ...web.redirects import redirect
from .access import ProtectedView

#: No list has more pages; a larger number in a URL is a typo or a probe.
_MAX_PAGE = 1_000_000


class ProtectedModelView(ProtectedView, ModelView):
    """A list with a page for each row, using ``FlaskForm`` and taskadmin's templates."""

    # Its CSRF tokens work with and without the host's CSRFProtect.
    form_base_class = FlaskForm
    can_view_details = True
    can_set_page_size = False
    page_size = 50
    column_display_actions = False

    def get_list(
        self,
        page: int | None,
        sort_column: object,
        sort_desc: object,
        search: str | None,
        *arguments: object,
        **options: object,
    ) -> Any:
        """Return the rows of a page.

        A page past the end redirects to the first one, keeping the filter.
        """
        count, rows = 0, []
        if 0 <= (page or 0) <= _MAX_PAGE:
            count, rows = self.rows_of(
                page, sort_column, bool(sort_desc), searchable(search), *arguments, **options
            )
        if page and not rows:
            kept = {name: value for name, value in request.args.items() if name != "page"}
            query = f"?{urlencode(kept)}" if kept else ""
            abort(redirect(self.get_url(".index_view") + query))
        return count, rows

    def rows_of(self, page: int | None, *arguments: Any, **options: Any) -> Any:
        """Return the number of rows and those of a page; takes the arguments of ``get_list``."""
        return super().get_list(page, *arguments, **options)

    # Flask-Admin takes these three from the host's session, which doesn't know TASKADMIN_SCHEMA.

    def get_query(self) -> Any:
        """Return a query for all rows."""
        return self.database.query(self.model)

    def get_count_query(self) -> Any:
        """Return a query for their number."""
        return self.database.query(func.count()).select_from(self.model)

    def get_one(self, id: str) -> Any:  # noqa: A002 - Flask-Admin's name
        """Return the row with this id; None if it can't be an id."""
        number = parse_id(id)
        return None if number is None else self.database.get(self.model, number)

    def get_pk_value(self, model: Any) -> Any:
        """Return the id as a number: PostgreSQL compares numbers with numbers only."""
        return model.id
