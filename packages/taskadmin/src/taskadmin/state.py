"""taskadmin's state for one Flask application: ``app.extensions["taskadmin"]``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from flask import Flask, Request, current_app, request

from .errors import RegistrationError
from .settings import Settings

if TYPE_CHECKING:
    from celery import Celery
    from flask.typing import ResponseReturnValue
    from flask_admin import Admin
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy.orm import Session

    from .admin.flask_admin.fragment_cache import FragmentCache
    from .health.readiness import Readiness
    from .models import User
    from .store.people.tokens import Bearer

EXTENSION_KEY = "taskadmin"
#: Blueprints for programs: of health checks and metrics.
_NO_PAGES = {"taskadmin_health", "taskadmin_metrics", "taskadmin_api"}


class Publish(Protocol):
    """Publish the runs of a committed launch."""

    def __call__(self, launch_id: int, owner: UUID) -> int:
        """Return how many runs were published and confirmed.

        Raises:
            BrokerUnavailable: If the broker didn't accept them; a launcher publishes them later.
        """
        ...


class Terminate(Protocol):
    """Terminate the processes that execute cancelled runs."""

    def __call__(self, run_ids: Collection[int]) -> Mapping[int, str]:
        """Return the result for each run, within two seconds.

        "terminated"; "impossible" if the worker's pool has no separate process for the run;
        "unanswered" if no worker replied that it executes it; or "broker away".
        """
        ...


@dataclass(frozen=True, slots=True)
class QueueState:
    """Messages and consumers of a queue; both None if it doesn't exist."""

    name: str
    #: Without prefetched messages.
    ready: int | None
    consumers: int | None


class Inspect(Protocol):
    """Inspect the broker's queues and consumers."""

    def __call__(self) -> Sequence[QueueState] | None:
        """Return the queues that workers consume and the dead letter queue, within about a second.

        None if the broker can't report consumers; only RabbitMQ can.

        Raises:
            BrokerUnavailable: If the broker is unreachable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Echo:
    """The result of a ping."""

    #: The worker that replied; None if none did in time.
    worker: str | None
    elapsed: timedelta
    #: Whether workers can reply: not if Celery's result backend is disabled.
    is_possible: bool = True


class Ping(Protocol):
    """Ping a worker through the broker and wait for its reply."""

    def __call__(self) -> Echo:
        """Return the reply, within about three seconds.

        Raises:
            BrokerUnavailable: If the broker is unreachable.
        """
        ...


@dataclass(frozen=True, slots=True)
class MenuItem:
    """A page in the menu."""

    #: Translated when it is displayed.
    label: str
    endpoint: str
    #: Whether a user may open it; the menu shows no page that would respond with 403.
    allows: Callable[[User], bool]


def nobody() -> User | None:
    """Return no user: without accounts or an identity, everyone is denied."""
    return None


def host_root() -> str:
    """Return the address of the application's root, including a prefix."""
    return f"{request.script_root}/"


@dataclass(slots=True, kw_only=True)
class State:
    """Settings, the host's database, and what the registered parts provide to each other."""

    settings: Settings
    parts: set[str] = field(default_factory=set)
    db: SQLAlchemy | None = None
    #: Returns the session of the current app context: the host's ``db.session``, or one of our own
    #: whose engine adds ``TASKADMIN_SCHEMA``. Set by ``Models``.
    sessions: Callable[[], Session] | None = None
    #: Returns the logged-in user; set by ``Accounts``.
    current_user: Callable[[], User | None] = nobody
    #: Whether the host logs users in, through ``identity``.
    has_identity: bool = False
    #: Whether users can have API tokens; set by ``Accounts``.
    has_tokens: bool = False
    #: Returns a token's user with the roles of this moment; None for a user who may have no tokens.
    #: Set by ``Accounts`` with ``identity``: the host decides about its users.
    token_user: Callable[[User], User | None] = lambda user: user
    #: Returns who sends an API request, by a token or the host's rule, never by the session's
    #: cookie; None for nobody, for status 401. Raises ``TooManyAttempts``, for status 429. Set by
    #: ``Accounts``.
    api_caller: Callable[[Request], Bearer | None] = lambda _: None
    #: Whether the host has logged in someone who is no user here: deactivated, or with a username
    #: that can't be stored.
    has_other_user: Callable[[], bool] = lambda: False
    #: Returns the address of the login page, given a path to return to; None if the host logs users
    #: in and hasn't said where.
    login_url: Callable[[str], str] | None = None
    #: Returns the address that logs users out of the host; None if it hasn't said, or without
    #: ``identity``.
    logout_url: Callable[[], str] | None = None
    #: Returns the address of the host's own pages, for users with no page to open here; None
    #: without ``identity``, and if taskadmin's pages are at the root.
    host_url: Callable[[], str] | None = None
    #: Returns a page that asks for the password again; None if it was entered recently, or the host
    #: logs users in. Set by ``Accounts``; the argument is the address of the cancel link.
    ask_for_password: Callable[[str | None], ResponseReturnValue | None] = lambda _: None
    #: Returns the address of the start page.
    home_url: Callable[[], str] = host_root
    #: The menu, in order.
    pages: list[MenuItem] = field(default_factory=list)
    #: Set by ``TaskQueue``; without it, runs stay queued and pages say so.
    publish: Publish | None = None
    #: Set by ``TaskQueue``.
    terminate: Terminate | None = None
    #: Set by ``TaskQueue``; without them, pages only know the database.
    inspect: Inspect | None = None
    ping: Ping | None = None
    #: Raises ``InvalidChannel`` for an address that no message can be sent to; set by
    #: ``Notifications``.
    check_channel_address: Callable[[str, str], None] | None = None
    celery: Celery | None = None
    admin: Admin | None = None
    #: Live parts of pages, cached for several people; set by ``AdminViews``.
    fragment_cache: FragmentCache | None = None
    #: Path of the API, such as ``/taskadmin/api/v1``; set by ``Api``.
    api_prefix: str | None = None
    #: The checks of ``/readyz`` and their cached results.
    readiness: Readiness | None = None

    @property
    def session(self) -> Session:
        """The database session of the current app context, for taskadmin's tables."""
        if self.sessions is None:
            raise RegistrationError(
                "taskadmin has no database yet: call Models().init_app(app, db=db)."
            )
        return self.sessions()


def get_state(app: Flask | None = None) -> State:
    """Return the state of *app*, or of the current application.

    Raises:
        RegistrationError: If no part of taskadmin was initialized on the application.
    """
    if app is None:
        app = current_app
    try:
        state: State = app.extensions[EXTENSION_KEY]
    except KeyError:
        raise RegistrationError(
            f"taskadmin isn't initialized on {app.name!r}: call TaskAdmin().init_app(app, db=db)."
        ) from None
    return state


def register(app: Flask, part: str, *, needs: tuple[str, ...] = ()) -> State:
    """Register *part* on *app* and return the state.

    Raises:
        RegistrationError: If the part is already registered, or one of *needs* is missing.
        ConfigurationError: If a ``TASKADMIN_*`` setting is invalid.
    """
    state: State | None = app.extensions.get(EXTENSION_KEY)
    if state is None:
        state = State(settings=Settings.from_config(app.config))
    if part in state.parts:
        raise RegistrationError(
            f"{part} is already initialized on {app.name!r}: call {part}().init_app once per app."
        )
    for other in needs:
        if other not in state.parts:
            raise RegistrationError(
                f"{part} needs {other}: call {other}().init_app(app, ...) before {part}().init_app."
            )
    app.extensions[EXTENSION_KEY] = state
    state.parts.add(part)
    return state


def is_page() -> bool:
    """Whether the request is for a page, not for static files, health checks, metrics or API."""
    endpoint = request.endpoint or ""
    return (
        endpoint.startswith("taskadmin")
        and not endpoint.endswith(".static")
        and request.blueprint not in _NO_PAGES
    )


def is_api() -> bool:
    """Whether the request is for the API, or for an unknown address below it."""
    prefix = get_state().api_prefix
    return prefix is not None and f"{request.path}/".startswith(f"{prefix}/")
