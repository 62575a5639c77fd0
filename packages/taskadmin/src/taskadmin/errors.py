"""Every error that taskadmin raises on purpose.

An error's docstring is its default message; most are raised with the values
that caused them and the line that fixes them.
"""

from __future__ import annotations


class TaskAdminError(Exception):
    """Something about taskadmin is wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigurationError(TaskAdminError):
    """A setting is unknown or its value can't be used."""


class RegistrationError(TaskAdminError):
    """A part was registered twice, or needs a part that isn't there."""


class MigrationError(TaskAdminError):
    """The database's schema can't be brought to the wanted revision."""


class InvalidUsername(TaskAdminError, ValueError):
    """This username can't be used."""


class UsernameTaken(TaskAdminError):
    """This username is taken."""


class LastSuperuser(TaskAdminError):
    """This is the last active superuser: make another one first."""


class EditConflict(TaskAdminError):
    """Somebody else changed this task meanwhile: reload it and try again."""


class TooManyRuns(TaskAdminError):
    """More runs match than one action may change: narrow the filter."""


class SearchTooLong(TaskAdminError):
    """Looking for the runs took too long: narrow the search."""


class TooManyTasks(TaskAdminError):
    """More tasks match than one action may change: narrow the filter."""


class UnknownJob(TaskAdminError, LookupError):
    """No job of this name is registered."""


class BrokerUnavailable(TaskAdminError):
    """The broker can't be reached: what is queued is sent when it is back."""
