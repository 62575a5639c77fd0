"""Which usernames there can be, and when two of them are the same."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, NamedTuple

from ..errors import InvalidUsername
from ..models.user import USERNAME_MAX_LENGTH
from ..texts import gettext


class Username(NamedTuple):
    """A username as it is shown, and what it is compared by."""

    shown: str
    key: str


@cache
def _profile() -> Any:
    """The rules of RFC 8265, when a username is typed: workers never read one.

    Letters and digits of any script and visible ASCII; no spaces, control characters,
    invisible characters or mixed writing directions. "CasePreserved" because case is folded
    for the key only: people see their name as they wrote it.
    """
    from precis_i18n import get_profile

    return get_profile("UsernameCasePreserved")


def normalize_username(raw: str) -> Username:
    """Check *raw* and return it in NFKC with its key, which is case-folded.

    Raises:
        InvalidUsername: With a sentence for the person who typed it.
    """
    shown = unicodedata.normalize("NFKC", raw.strip())
    if not shown:
        raise InvalidUsername(gettext("Enter a username."))
    if len(shown) > USERNAME_MAX_LENGTH:
        raise InvalidUsername(
            gettext("A username has at most %(number)s characters.", number=USERNAME_MAX_LENGTH)
        )
    if unicodedata.category(shown[0])[0] == "M":
        raise InvalidUsername(gettext("A username begins with a letter, a digit or punctuation."))
    try:
        _profile().enforce(shown)
    except UnicodeEncodeError as error:
        raise InvalidUsername(
            gettext("A username consists of letters, digits and punctuation, without spaces.")
        ) from error
    if set(shown) & set("<>\"'`\\/"):
        raise InvalidUsername(gettext("A username can't contain < > \" ' ` \\ or /."))
    return Username(shown, _key(shown))


def normalize_host_username(raw: str) -> Username:
    """The same for the name of a person whom the host signs in: its rules are the host's.

    Raises:
        InvalidUsername: If no column can hold it, or nobody could see it.
    """
    shown = unicodedata.normalize("NFKC", raw.strip())
    if not shown:
        raise InvalidUsername("it is empty.")
    if len(shown) > USERNAME_MAX_LENGTH:
        raise InvalidUsername(f"it has more than {USERNAME_MAX_LENGTH} characters.")
    if any(unicodedata.category(character)[0] == "C" for character in shown):
        raise InvalidUsername("it has characters that can't be seen.")
    return Username(shown, _key(shown))


def _key(shown: str) -> str:
    key = unicodedata.normalize("NFKC", shown.casefold())
    return unicodedata.normalize("NFKC", key.casefold())
