"""A job with parameters of several kinds, and a docstring about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, SecretStr

from taskadmin import Run

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers


def send_mail(
    to: str,
    token: SecretStr | None = None,
    pin: int = 0,
    copies: Annotated[int, Field(ge=1, description="Said here.")] = 1,
    tags: list[str] = [],  # noqa: B006 - what hosts write
    run: Run | None = None,
) -> OnlyForCheckers | None:
    """Send a mail.

    To one person only.

    Args:
        to: Whom it is
            sent to.
        copies: Not said here.

    Returns:
        Nothing.
    """
