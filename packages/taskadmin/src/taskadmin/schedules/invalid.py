"""The error for invalid schedules."""

from __future__ import annotations

from ..errors import TaskAdminError


class InvalidSchedule(TaskAdminError, ValueError):
    """This schedule can't be used.

    Args:
        field: The field of ``Schedule`` that has to change.
        message: A message for the person who entered it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message

    def __reduce__(self) -> tuple[type[InvalidSchedule], tuple[str, str]]:
        return type(self), (self.field, self.message)
