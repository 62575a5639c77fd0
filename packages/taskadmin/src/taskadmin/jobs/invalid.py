"""The error for functions that can't be jobs."""

from __future__ import annotations

from ..errors import RegistrationError


class InvalidJob(RegistrationError, ValueError):
    """This function can't be a job."""
