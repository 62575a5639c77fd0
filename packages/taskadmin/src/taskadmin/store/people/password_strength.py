"""Refuse passwords that are easy to guess: words, names, dates and keyboard patterns.

zxcvbn estimates the number of guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from threading import Lock

from ...errors import InvalidPassword
from ...translation.texts import gettext

#: zxcvbn scores 0 to 4; 3 means 10**8 to 10**10 guesses. Online guessing is limited to about a
#: hundred attempts a day per account, but a stolen hash with score 2 (10**6) would be cracked.
_MIN_SCORE = 3
#: zxcvbn checks this many characters: its time grows more than quadratically, to at most 0.1 s here
#: and 0.3 s for 72. A password with a strong beginning is strong.
_CHECKED_LENGTH = 40
#: zxcvbn tries all 576 combinations of substitutes for letters, which takes 8 s for one password.
#: Merging some substitutes of the same letter leaves 48.
_SUBSTITUTES = str.maketrans("{[<|", "(((1")
#: zxcvbn stores the names in a dictionary of its module.
_lock = Lock()


def check_strength(password: str, names: Iterable[str]) -> None:
    """Refuse a password that is easy to guess.

    Args:
        names: Likely guesses, such as the user's name and the site's.

    Raises:
        InvalidPassword: With a sentence for the person who chose it.
    """
    from zxcvbn import zxcvbn  # imported here, as it loads 15 MB of words

    guesses = list(_with_parts(names))
    text = password[:_CHECKED_LENGTH]
    # zxcvbn takes names that are repeated with other characters between them for strong.
    rest = _without(text, guesses)
    with _lock:
        scores = [
            zxcvbn(part.translate(_SUBSTITUTES), user_inputs=guesses)["score"]
            for part in {text, rest}
            if part
        ]
    if not rest or min(scores) < _MIN_SCORE:
        raise InvalidPassword(
            gettext(
                "This password is too easy to guess. Use several unrelated words, or a password that"
                " a password manager has generated."
            )
        )


def _without(text: str, names: Iterable[str]) -> str:
    """Return *text* without the names in it that have at least three characters."""
    longest_first = sorted((name for name in names if len(name) > 2), key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    return re.sub(pattern, "", text, flags=re.IGNORECASE) if pattern else text


def _with_parts(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        # The part of an email address before the @ is a name, too.
        for part in (name, name.partition("@")[0]):
            words = re.findall(r"[^\W_]{3,}", part)
            yield from (part, "".join(words), *words)
