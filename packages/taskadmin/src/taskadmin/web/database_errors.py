"""Explain database errors on pages: an outage, an overload, or another schema."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from flask import current_app
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .. import migrations
from ..state import get_state
from ..store.database.outage import (
    is_damaged,
    is_outage,
    is_schema_missing,
    is_unwritable,
    took_too_long,
)
from ..store.database.transaction import close
from ..translation import i18n
from ..translation.texts import gettext

#: Retry-After in seconds.
RETRY_AFTER_SECONDS = 5
_DOCTOR = "flask taskadmin doctor"


class ErrorExplanation(NamedTuple):
    """The explanation of a database error; all texts are translated."""

    title: str
    text: str
    #: A command that the administrator can run.
    command: str | None = None
    #: Seconds after which it may be resolved.
    retry_after: int | None = None


def _find_cause() -> str:
    return gettext("The administrator can find the cause with this command.")


def explain_error(error: BaseException) -> ErrorExplanation | None:
    """Explain *error*; None if it isn't a problem of the database."""
    if took_too_long(error):
        return ErrorExplanation(
            gettext("The database is busy"),
            _again(gettext("It took too long to answer.")),
            retry_after=RETRY_AFTER_SECONDS,
        )
    if is_damaged(error):
        return ErrorExplanation(
            gettext("The database can't be read"),
            " ".join((gettext("It is damaged, or its file isn't a database."), _find_cause())),
            command=_DOCTOR,
        )
    if is_unwritable(error):
        return ErrorExplanation(
            gettext("The database can't be written"),
            " ".join(
                (
                    gettext("Nothing was changed: it is read-only, or its disk is full."),
                    _find_cause(),
                )
            ),
            command=_DOCTOR,
            retry_after=RETRY_AFTER_SECONDS,
        )
    if is_outage(error):
        return ErrorExplanation(
            gettext("The database is unavailable"),
            " ".join(
                (
                    _again(gettext("Nothing can be shown or changed until it is back.")),
                    _find_cause(),
                )
            ),
            command=_DOCTOR,
            retry_after=RETRY_AFTER_SECONDS,
        )
    # Errors about the host's own tables aren't ours.
    if isinstance(error, DBAPIError) and "taskadmin_" in (error.statement or ""):
        return _explain_schema(is_lacking=is_schema_missing(error))
    return None


def _again(text: str) -> str:
    when = i18n.duration(timedelta(seconds=RETRY_AFTER_SECONDS))
    return f"{text} {gettext('Try again in %(time)s.', time=when)}"


def _explain_schema(*, is_lacking: bool) -> ErrorExplanation | None:
    app = current_app
    close(get_state().session)  # a small pool may have no other connection
    try:
        current = migrations.current_revision(app)
    except SQLAlchemyError:
        return None
    newest = migrations.newest_revision()
    if current is None:
        return ErrorExplanation(
            gettext("The database isn't set up yet"),
            gettext("The administrator can create taskadmin's tables with this command."),
            command="flask taskadmin db upgrade",
        )
    if migrations.is_ahead(current):
        return ErrorExplanation(
            gettext("The database is newer than this program"),
            gettext(
                "Its schema is at revision %(current)s; this version of taskadmin has"
                " %(newest)s. The administrator has to start the newer version.",
                current=current,
                newest=newest,
            ),
        )
    if current != newest:
        return ErrorExplanation(
            gettext("The database is older than this program"),
            gettext(
                "Its schema is at revision %(current)s; this version of taskadmin needs"
                " %(newest)s. The administrator can upgrade it with this command.",
                current=current,
                newest=newest,
            ),
            command="flask taskadmin db upgrade",
        )
    if not is_lacking:
        return None
    return ErrorExplanation(
        gettext("The database is incomplete"),
        gettext(
            "A table or column is missing although the schema is at the latest revision,"
            " %(newest)s. This command shows which one.",
            newest=newest,
        ),
        command="flask taskadmin db check",
    )
