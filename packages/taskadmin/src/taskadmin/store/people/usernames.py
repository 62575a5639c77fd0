"""Validate usernames, and normalize them for comparison."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, NamedTuple

from ...errors import InvalidUsername
from ...models.user import USERNAME_MAX_LENGTH
from ...translation.texts import gettext
from ...values.confusables import has_too_many_marks, is_of_one_script, skeleton

#: Names in the audit trail of what acts without an account.
_RESERVED = ("anonymous", "taskadmin")
#: Maximum length before NFKC, which may combine characters. Checked first, because NFKC takes
#: quadratic time for combining marks in a row.
_MAX_RAW_LENGTH = 4 * USERNAME_MAX_LENGTH


class Username(NamedTuple):
    """A username as displayed, and the key that it is compared by."""

    shown: str
    key: str
    #: Equal for usernames that look alike; only set for new usernames.
    skeleton: str | None = None


@cache
def _profile() -> Any:
    """Return the RFC 8265 profile; imported on first use, since workers don't need it.

    Letters and digits of any script and visible ASCII; no spaces, control characters,
    invisible characters or mixed writing directions. "CasePreserved" because only the key is
    case-folded: people see their name as they typed it.
    """
    from precis_i18n import get_profile

    return get_profile("UsernameCasePreserved")


def normalize_username(raw: str) -> Username:
    """Validate *raw* and return it in NFKC form with its case-folded key.

    Raises:
        InvalidUsername: With a message for the person who typed it.
    """
    shown = _in_nfkc(raw)
    if not shown:
        raise InvalidUsername(gettext("Enter a username."))
    if len(shown) > USERNAME_MAX_LENGTH:
        raise InvalidUsername(
            gettext(
                "A username can have at most %(number)s characters.", number=USERNAME_MAX_LENGTH
            )
        )
    if unicodedata.category(shown[0])[0] == "M":
        raise InvalidUsername(
            gettext("A username must start with a letter, a digit or a punctuation mark.")
        )
    try:
        _profile().enforce(shown)
    except UnicodeEncodeError as error:
        raise InvalidUsername(
            gettext("A username can contain only letters, digits and punctuation, without spaces.")
        ) from error
    if set(shown) & set("<>\"'`\\/"):
        raise InvalidUsername(gettext("A username can't contain < > \" ' ` \\ or /."))
    return Username(shown, _key(shown))


def check_new_username(raw: str) -> Username:
    """Validate the username of a new account, which must not resemble others by mixed scripts.

    Nor may it look like the names that the audit trail gives to visitors and to taskadmin itself.

    Existing accounts keep such usernames.

    Raises:
        InvalidUsername: With a message for the person who typed it.
    """
    name = normalize_username(raw)
    if not is_of_one_script(name.shown):
        raise InvalidUsername(
            gettext("A username can't mix scripts, such as Latin and Cyrillic letters.")
        )
    if has_too_many_marks(name.shown):
        raise InvalidUsername(gettext("A username can't have this many accents on one letter."))
    looks_like = skeleton(name.shown)
    if looks_like in map(skeleton, _RESERVED):
        raise InvalidUsername(gettext("The username %(name)s is taken.", name=name.shown))
    return name._replace(skeleton=looks_like)


def normalize_host_username(raw: str) -> Username:
    """Normalize a username of the host's accounts, which follow the host's rules.

    Raises:
        InvalidUsername: If the database can't store it, or it has invisible characters.
    """
    shown = _in_nfkc(raw)
    if not shown:
        raise InvalidUsername("it is empty.")
    if len(shown) > USERNAME_MAX_LENGTH:
        raise InvalidUsername(f"it has more than {USERNAME_MAX_LENGTH} characters.")
    if any(unicodedata.category(character)[0] == "C" for character in shown):
        raise InvalidUsername("it has characters that can't be seen.")
    return Username(shown, _key(shown))


def _in_nfkc(raw: str) -> str:
    """Normalize *raw*, unless it is too long for a username."""
    text = raw.strip()
    return text if len(text) > _MAX_RAW_LENGTH else unicodedata.normalize("NFKC", text)


def _key(shown: str) -> str:
    key = unicodedata.normalize("NFKC", shown.casefold())
    return unicodedata.normalize("NFKC", key.casefold())
