"""The frame around every page, and its forms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from flask import current_app, g, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.csrf import generate_csrf

from ..models import User
from ..state import MenuItem, State, get_state
from ..store.reports.health import BeatLag, beat_lag
from ..translation import i18n
from .delivery import static_files
from .page_requests import is_poll

LAYOUT_ENDPOINT = "taskadmin_layout"


class Beat(NamedTuple):
    """The state of beat and the launcher."""

    #: "good", "late" or "stopped".
    state: str
    #: Time since the launcher's last turn, by the database's clock; None if it never had one.
    since: timedelta | None
    #: The database's time.
    moment: datetime


def beat_of(state: State) -> Beat:
    """Judge the time since the launcher's last turn by the tick interval; one query per page."""
    if "taskadmin_beat_lag" not in g:
        g.taskadmin_beat_lag = beat_lag(state.session)
    lag: BeatLag = g.taskadmin_beat_lag
    assert lag.moment is not None
    if lag.ticked is None:
        return Beat("stopped", None, lag.moment)
    ticks = lag.ticked.total_seconds() / state.settings.tick_seconds
    # A turn may take 8 s; twelve missing ticks are a minute by default.
    seconds = lag.ticked.total_seconds()
    if ticks <= 3 or seconds <= 15:
        return Beat("good", lag.ticked, lag.moment)
    return Beat("late" if ticks <= 12 else "stopped", lag.ticked, lag.moment)


def person() -> User | None:
    """Return the logged-in user; None on error pages, where no query may be made."""
    return None if "taskadmin_failed" in g else get_state().current_user()


@dataclass(frozen=True, slots=True)
class Layout:
    """The frame's values: ``taskadmin`` in every template."""

    state: State

    @property
    def site_name(self) -> str:
        """The name in the top bar."""
        return self.state.settings.site_name

    @property
    def user(self) -> User | None:
        """The logged-in user, if known."""
        g.taskadmin_personal = True
        return person()

    @property
    def is_poll(self) -> bool:
        """Whether only the page's live parts are requested."""
        return is_poll()

    @property
    def pages(self) -> list[MenuItem]:
        """The menu's pages that the user may open."""
        user = self.user
        return [page for page in self.state.pages if user is not None and page.allows(user)]

    @property
    def has_accounts(self) -> bool:
        """Whether taskadmin has accounts, and the current user is known."""
        return not self.state.has_identity and "taskadmin_failed" not in g

    @property
    def login_url(self) -> str | None:
        """The address of the login page; None if someone is or may be logged in."""
        login_url = self.state.login_url
        if login_url is None or "taskadmin_failed" in g or self.state.has_other_user():
            return None
        return login_url("")

    @property
    def logout_url(self) -> str | None:
        """The address that logs users out of the host; None if taskadmin logs them in."""
        return None if self.state.logout_url is None else self.state.logout_url()

    @property
    def host_url(self) -> str | None:
        """The address of the host's own pages, if the host logs users in."""
        return None if self.state.host_url is None else self.state.host_url()

    def is_current(self, page: MenuItem) -> bool:
        """Whether the current page belongs to *page*."""
        return (request.endpoint or "").partition(".")[0] == page.endpoint.partition(".")[0]

    @property
    def csrf_name(self) -> str:
        """The name of the CSRF token's form field."""
        return csrf_field_name()

    @property
    def language(self) -> str:
        """The page's language, for its ``lang`` attribute."""
        return i18n.language_tag()

    @property
    def may_reload(self) -> bool:
        """Whether the script may load the page again, with the browser's time zone."""
        return request.method == "GET" and i18n.chosen_zone() is None

    @property
    def refreshed_at(self) -> str:
        """The current time of day."""
        return i18n.clock_time(datetime.now(UTC), "medium")

    @property
    def beat(self) -> Beat | None:
        """The state of the launcher, for users who may see it."""
        user = person()
        if user is None or not user.may_review:
            return None
        return beat_of(self.state)

    def csrf_token(self) -> str:
        """Return the CSRF token for a handwritten form."""
        g.taskadmin_personal = True
        return generate_csrf()

    def static(self, name: str) -> str:
        """Return the address of a static file."""
        return url_for(
            f"{LAYOUT_ENDPOINT}.static",
            filename=name,
            v=static_files.version_of(static_files.FOLDER / name),
        )


def csrf_field_name() -> str:
    """Return Flask-WTF's name of the token, in forms and in the session."""
    name: str = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    return name


class PageForm(FlaskForm):
    """A form with a CSRF token, with and without the host's ``CSRFProtect``.

    It reads text fields only: a file or JSON under a field's name isn't text.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(formdata=request.form or None, **options)
