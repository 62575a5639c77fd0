"""What taskadmin keeps for one Flask application: ``app.extensions["taskadmin"]``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from flask import Flask, current_app

from .errors import RegistrationError
from .settings import Settings

if TYPE_CHECKING:
    from celery import Celery
    from flask_admin import Admin
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy.orm import Session

    from .health.readiness import Readiness
    from .models import User

KEY = "taskadmin"


class Publish(Protocol):
    """Send the runs of a committed launch to the broker."""

    def __call__(self, launch_id: int, owner: UUID) -> int:
        """Return how many runs were sent and confirmed.

        Raises:
            BrokerUnavailable: If the broker didn't take them; the launcher sends them later.
        """
        ...


class Terminate(Protocol):
    """End the processes that execute cancelled runs."""

    def __call__(self, run_ids: Collection[int]) -> Mapping[int, str]:
        """Return for each run what came of it, within two seconds.

        "terminated"; "impossible", where its worker's pool has no process for the run alone;
        "unanswered", when no worker said that it executes it; or "broker away".
        """
        ...


@dataclass(frozen=True, slots=True)
class QueueState:
    """Messages and consumers of a queue; None for both if it isn't there."""

    name: str
    #: Without those that workers hold.
    ready: int | None
    consumers: int | None


class Inspect(Protocol):
    """Ask the broker who reads the queues and what waits there."""

    def __call__(self) -> Sequence[QueueState] | None:
        """Return every queue that workers read, and the one for dead messages, within about a second.

        None if the broker can't tell; only RabbitMQ can.

        Raises:
            BrokerUnavailable: If the broker can't be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class Echo:
    """What came of asking the workers for a sign of life."""

    #: Who answered; None: nobody did in time.
    worker: str | None
    elapsed: timedelta
    #: Whether workers can answer at all: not where Celery's result backend is switched off.
    is_possible: bool = True


class Ping(Protocol):
    """Send a message through the broker to a worker and wait for its reply."""

    def __call__(self) -> Echo:
        """Return who answered, within about three seconds.

        Raises:
            BrokerUnavailable: If the broker can't be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the menu."""

    #: Translated when it is shown.
    label: str
    endpoint: str
    #: Whether this person may open it; the menu shows no page that would answer 403.
    allows: Callable[[User], bool]


def nobody() -> User | None:
    """Deny by default: without accounts or an identity, nobody is signed in."""
    return None


@dataclass(slots=True, kw_only=True)
class State:
    """Settings, the host's database and what the registered parts offer each other."""

    settings: Settings
    parts: set[str] = field(default_factory=set)
    db: SQLAlchemy | None = None
    #: Who is signed in, set by ``Accounts``.
    current_user: Callable[[], User | None] = nobody
    #: Address of the log in page for a path to come back to; None where the host signs people in.
    login_url: Callable[[str], str] | None = None
    #: The hash of a password that may be set, or a ValueError that says why not; set by
    #: ``Accounts``. None where the host signs people in.
    hash_password: Callable[[str], str] | None = None
    #: Where people land who name no page.
    home_url: Callable[[], str] = lambda: "/"
    #: The menu, in order.
    pages: list[Page] = field(default_factory=list)
    #: Set by ``TaskQueue``; without it runs stay queued and the pages say so.
    publish: Publish | None = None
    #: Set by ``TaskQueue``, too.
    terminate: Terminate | None = None
    #: Set by ``TaskQueue``, too; without them only the ledger says what waits.
    inspect: Inspect | None = None
    ping: Ping | None = None
    celery: Celery | None = None
    admin: Admin | None = None
    #: What ``/readyz`` asks and remembers.
    readiness: Readiness | None = None

    @property
    def session(self) -> Session:
        """The session of the host's database for the current app context."""
        if self.db is None:
            raise RegistrationError(
                "taskadmin has no database yet: call Models().init_app(app, db=db)."
            )
        return self.db.session()


def get_state(app: Flask | None = None) -> State:
    """The state of *app*, or of the current application.

    Raises:
        RegistrationError: If no part of taskadmin was initialised on the application.
    """
    if app is None:
        app = current_app
    try:
        state: State = app.extensions[KEY]
    except KeyError:
        raise RegistrationError(
            f"taskadmin isn't initialised on {app.name!r}: call TaskAdmin().init_app(app, db=db)."
        ) from None
    return state


def register(app: Flask, part: str, *, needs: tuple[str, ...] = ()) -> State:
    """Note that *part* is being initialised on *app* and return the state.

    Raises:
        RegistrationError: If the part is there already, or one of *needs* is missing.
        ConfigurationError: If a ``TASKADMIN_*`` setting is wrong.
    """
    state: State | None = app.extensions.get(KEY)
    if state is None:
        state = State(settings=Settings.from_config(app.config))
    if part in state.parts:
        raise RegistrationError(
            f"{part} is initialised on {app.name!r} already: call {part}().init_app once for each app."
        )
    for other in needs:
        if other not in state.parts:
            raise RegistrationError(
                f"{part} needs {other}: call {other}().init_app(app, ...) before {part}().init_app."
            )
    app.extensions[KEY] = state
    state.parts.add(part)
    return state
