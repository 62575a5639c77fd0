"""Valid usernames, and usernames that count as equal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskadmin.errors import InvalidUsername
from taskadmin.models.user import USERNAME_MAX_LENGTH
from taskadmin.store.people.usernames import check_new_username, normalize_username

CHARACTERS = "A username can contain only letters, digits and punctuation, without spaces."
MARKUP = "A username can't contain < > \" ' ` \\ or /."


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("ada", "ada"),
        ("Ada", "Ada"),
        ("  ada\n", "ada"),
        ("ada@example.org", "ada@example.org"),
        ("ada.b-c_d+1", "ada.b-c_d+1"),
        ("Ána", "Ána"),
        ("A\u0301na", "\u00c1na"),  # a letter and a combining accent become one letter
        ("\uff41\uff44\uff41", "ada"),  # wide letters
        ("\ufb01ona", "fiona"),  # a ligature
        ("\u2126mega", "\u03a9mega"),  # the ohm sign becomes the letter
        ("Лев", "Лев"),
        ("李雷", "李雷"),
        ("מרים", "מרים"),
        ("१२३", "१२३"),
    ],
)
def test_a_name_is_shown_as_it_was_written_after_nfkc(raw: str, shown: str) -> None:
    """Letters and digits of any script; compatible spellings become equal."""
    assert normalize_username(raw).shown == shown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada", "ADA"),
        ("Ána", "ÁNA"),
        ("A\u0301na", "\u00e1na"),
        ("straße", "STRASSE"),
        ("\ufb01ona", "Fiona"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("\u212a1", "k1"),  # the Kelvin sign
        ("\uff41\uff44\uff41", "Ada"),
    ],
)
def test_case_and_spelling_twins_are_the_same_person(one: str, other: str) -> None:
    """Names that look the same have the same key."""
    assert normalize_username(one).key == normalize_username(other).key


@pytest.mark.parametrize(("one", "other"), [("ada", "adam"), ("ada", "äda"), ("a1", "a2")])
def test_different_names_stay_different(one: str, other: str) -> None:
    """An accent or a digit makes a difference."""
    assert normalize_username(one).key != normalize_username(other).key


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("", "Enter a username."),
        ("   \t\n", "Enter a username."),
        ("x" * (USERNAME_MAX_LENGTH + 1), "A username can have at most 64 characters."),
        ("\ufdfa" * 4, "A username can have at most 64 characters."),  # 18 characters each in NFKC
        pytest.param("x" * 1_000_000, "A username can have at most 64 characters.", id="1 MB"),
        # NFKC would take minutes, since its time is quadratic.
        pytest.param(
            "a" + "\u0301" * 250_000 + "\u0327" * 250_000,
            "A username can have at most 64 characters.",
            id="marks",
        ),
        ("ada lovelace", CHARACTERS),
        ("ada\u00a0lovelace", CHARACTERS),  # no-break space
        ("ad\u200ba", CHARACTERS),  # zero-width space
        ("ad\u200da", CHARACTERS),  # zero-width joiner
        ("ad\u2060a", CHARACTERS),  # word joiner
        ("\ufeffada", CHARACTERS),  # byte order mark
        ("ada\u202enimda", CHARACTERS),  # right-to-left override
        ("ada\u2066x\u2069", CHARACTERS),  # isolates
        ("ada\x00", CHARACTERS),
        ("ad\x07a", CHARACTERS),
        ("ada\r\nSet-Cookie:x", CHARACTERS),
        ("ad\x7fa", CHARACTERS),
        pytest.param("ad\ud800a", CHARACTERS, id="lone surrogate"),
        ("ad\ue000a", CHARACTERS),  # private use
        ("ad\uffffa", CHARACTERS),  # no character
        ("ada\u05e9x", CHARACTERS),  # mixed writing directions
        ("😀", CHARACTERS),
        ("<script>", MARKUP),
        ("a&b<i>", MARKUP),
        ("o'hara", MARKUP),
        ('say"', MARKUP),
        ("a`b", MARKUP),
        ("a\\b", MARKUP),
        ("../admin", MARKUP),
    ],
)
def test_a_name_that_can_deceive_or_break_something_is_refused(raw: str, message: str) -> None:
    """The error is a sentence for the person who typed it."""
    with pytest.raises(InvalidUsername) as caught:
        normalize_username(raw)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        *(
            (name, "A username can't mix scripts, such as Latin and Cyrillic letters.")
            for name in (
                "p\u0430ypal",
                "\u03b1lpha",
                "\u041bевx",
                "\u05d0a"[:1] + "\u0627",
                "a\u0e01",
            )
        ),
        *(
            (name, "A username can't have this many accents on one letter.")
            for name in (
                "a" + "\u0351\u0352\u0353\u0354\u0355",
                "ab\u0351\u0351c",
                "a" + "\u0351\u0352" * 25,
            )
        ),
    ],
)
def test_a_new_name_does_not_deceive(raw: str, message: str) -> None:
    """One script and few marks (UTS 39); existing names may have more."""
    with pytest.raises(InvalidUsername) as caught:
        check_new_username(raw)
    assert str(caught.value) == message


@pytest.mark.parametrize("raw", ["taskadmin", "Anonymous", "taskadm\u0131n", "\uff54askadmin"])
def test_a_new_name_does_not_pass_for_taskadmin_itself(raw: str) -> None:
    """The audit trail names it for what follows rules, and visitors "anonymous"."""
    with pytest.raises(InvalidUsername, match=r"^The username .* is taken\.$"):
        check_new_username(raw)


@pytest.mark.parametrize(
    "name",
    [
        *("Ада", "李雷", "taro山田", "ひらカタ漢字", "注音ㄅ", "김철수kim", "नमस्ते", "मराठी"),
        *("Nguyễn", "ạ̊b", "ἄνθρωπος", "Ångström_1", "ana-marija@example.org", "ー々x"[2:]),
    ],
)
def test_a_new_name_may_be_in_any_script(name: str) -> None:
    """Scripts that are written together can be mixed."""
    assert check_new_username(name).key == normalize_username(name).key


def test_the_longest_name_is_taken() -> None:
    """The limit counts characters after NFKC."""
    assert normalize_username("x" * USERNAME_MAX_LENGTH).shown == "x" * USERNAME_MAX_LENGTH


@given(st.text(max_size=80))
def test_any_text_is_either_refused_or_normal(raw: str) -> None:
    """Valid names are stable under normalization, fit their columns and are printable."""
    try:
        name = normalize_username(raw)
    except InvalidUsername:
        return
    assert 1 <= len(name.shown) <= USERNAME_MAX_LENGTH
    assert 1 <= len(name.key) <= 3 * USERNAME_MAX_LENGTH
    assert unicodedata.is_normalized("NFKC", name.shown)
    assert all(unicodedata.category(character)[0] not in "CZ" for character in name.shown)
    # A name copied from a page finds the same user.
    assert normalize_username(name.shown) == name
    assert normalize_username(name.key).key == name.key


# Without the dotless i: it is a letter of its own, but its capital is the other i's.
letters = st.characters(categories=["L", "N"], exclude_characters="\u0131")


@given(st.text(alphabet=letters, min_size=1, max_size=20))
def test_upper_case_finds_the_same_person(raw: str) -> None:
    """Also if upper case is longer than lower case."""
    try:
        name = normalize_username(raw)
        shouted = normalize_username(raw.upper())
    except InvalidUsername:
        return
    assert shouted.key == name.key
