"""The errors that taskadmin raises.

An error's docstring is its default message; most are raised with the values that caused them and
the line that fixes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


class TaskAdminError(Exception):
    """taskadmin failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigurationError(TaskAdminError):
    """A setting is unknown or its value can't be used."""


class HostUrlError(ConfigurationError):
    """An endpoint that was passed to ``init_app`` doesn't exist, or needs arguments.

    Attributes:
        name: ``login_url`` or ``logout_url``.
        endpoint: What was passed, or what the function returned.
    """

    def __init__(self, name: str, endpoint: str) -> None:
        super().__init__(
            f"{name} is {endpoint!r}, but the application has no endpoint of this name without"
            " arguments. Pass one that flask routes lists, or an address such as '/login'."
        )
        self.name = name
        self.endpoint = endpoint


class IdentityError(ConfigurationError):
    """``identity`` returned something else than an ``Identity`` or None."""


class RegistrationError(TaskAdminError):
    """A part was registered twice, or needs a part that is missing."""


class MigrationError(TaskAdminError):
    """The database's schema can't be migrated to this revision."""


class InvalidUsername(TaskAdminError, ValueError):
    """This username can't be used."""


class Unstorable(TaskAdminError, ValueError):
    """This value can't be stored: some reader couldn't show it.

    Attributes:
        name: The argument, if it is one.
    """

    def __init__(self, message: str, *, name: str | None = None) -> None:
        super().__init__(message)
        self.name = name


class InvalidPassword(TaskAdminError, ValueError):
    """This password can't be set."""


class InvalidToken(TaskAdminError, ValueError):
    """This API token can't be created."""


class TooManyAttempts(TaskAdminError):
    """Too many attempts: wait before the next one.

    Attributes:
        retry_after: Time to wait, in whole seconds.
    """

    def __init__(self, message: str | None = None, *, retry_after: timedelta) -> None:
        super().__init__(message or f"Too many attempts: try again in {retry_after}.")
        self.retry_after = retry_after


class HashesBusy(TooManyAttempts):
    """Too many passwords are being checked at the same time."""


class UsernameTaken(TaskAdminError):
    """This username is taken."""


class LastSuperuser(TaskAdminError):
    """This is the last active superuser. Make another user a superuser first."""


class EditConflict(TaskAdminError):
    """Someone else changed this task in the meantime: reload it and try again."""


class TooManyRuns(TaskAdminError):
    """More runs match than one action may change: narrow the filter."""


class SearchTooLong(TaskAdminError):
    """The search took too long: narrow it."""


class TooManyTasks(TaskAdminError):
    """More tasks match than one action may change: narrow the filter."""


class UnknownJob(TaskAdminError, LookupError):
    """No job with this name is registered."""


class InvalidArguments(TaskAdminError, ValueError):
    """These arguments don't fit the job.

    Attributes:
        problems: The argument, or None for several, and a sentence of each problem.
    """

    def __init__(
        self, message: str | None = None, *, problems: Sequence[tuple[str | None, str]] = ()
    ) -> None:
        super().__init__(message or "These arguments don't fit the job.")
        self.problems = problems


class UnknownTask(TaskAdminError, LookupError):
    """There is no such task."""


class InvalidPause(TaskAdminError, ValueError):
    """A pause can't end at this time."""


class InvalidPreference(TaskAdminError, ValueError):
    """This language or time zone isn't known."""


class UnknownUser(TaskAdminError, LookupError):
    """There is no such user."""


class UnknownChannel(TaskAdminError, LookupError):
    """There is no such channel."""


class InvalidChannel(TaskAdminError, ValueError):
    """A channel can't have these values.

    Attributes:
        field: The parameter that is wrong.
    """

    def __init__(self, message: str | None = None, *, field: str = "address") -> None:
        super().__init__(message)
        self.field = field


class BrokerUnavailable(TaskAdminError):
    """The broker is unreachable: queued runs are sent when it is reachable again."""


class SendingDisabled(BrokerUnavailable):
    """Nothing is sent to the broker, because Celery's task_always_eager is on."""
