"""YAML of tasks: what is read and written, within bounds."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from taskadmin import errors
from taskadmin.cli.yaml_text import read_yaml, write_yaml
from taskadmin.store.as_code import Lines

# What JSON columns of both databases hold: neither NUL nor half a character.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
words = st.sampled_from(
    [
        "no",
        "1e5",
        "010",
        "1:30",
        "2027-01-01",
        "~",
        "<<",
        "=",
        "- a",
        "a: b",
        "# a",
        "\n a",
        " a\nb ",
    ]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | words, inner, max_size=4),
    max_leaves=12,
)


def written(document: Any) -> str:
    """What an export of *document* is."""
    file = io.StringIO()
    write_yaml(document, file)
    return file.getvalue()


@settings(max_examples=500, deadline=None)
@given(values)
def test_whatever_is_written_is_read_again(value: Any) -> None:
    """With the same types: True isn't 1, and 1 isn't 1.0."""
    document = {"tasks": [{"value": value}]}
    back = read_yaml(written(document).encode())
    assert back == document
    assert repr(back) == repr(document)


@settings(max_examples=200, deadline=None)
@given(texts | words)
def test_other_readers_take_texts_for_texts(text: str) -> None:
    """Quotes stand wherever YAML 1.1 needs them, but for dates."""
    value = yaml.safe_load(written({"value": text}))["value"]
    assert value == text or str(value)[:10] == text[:10]


def test_plain_words_mean_what_yaml_1_2_says() -> None:
    """PyYAML's own loader reads the Norway problem, and octal and sexagesimal numbers."""
    read = read_yaml(b"[no, 010, 1:30, 1e5, 2027-01-01T09:00:00+01:00, 1_000, ~, true, -.inf]")
    assert read == [
        *("no", "010", "1:30", 100000.0, "2027-01-01T09:00:00+01:00", "1_000", None, True),
        float("-inf"),
    ]


def test_texts_of_several_lines_are_blocks() -> None:
    """So that a diff shows the line that changed."""
    assert written({"body": "Dear all,\nhello\n"}) == "body: |\n  Dear all,\n  hello\n"


def test_mappings_know_their_lines() -> None:
    """For whoever has to find what is wrong."""
    document = read_yaml(b"# tasks\ntasks:\n- name: A\n  job: mail\n")
    [entry] = document["tasks"]
    assert isinstance(entry, Lines)
    assert (entry.line, entry.lines) == (3, {"name": 3, "job": 4})


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"a: &x [1]\nb: *x", "line 1, column 4: anchors and aliases aren't used here."),
        (b"a: *x", "aliases aren't used here"),
        (b"a: 1\nb: 2\na: 3", "line 3, column 1: a stands here twice."),
        (b"1: 2", "a name that isn't a text"),
        (b"[" * 100, "nested more than 50 times"),
        (b"[" * 1_000_000, "nested more than 50 times"),
        (b"a: !!python/name:os.system ''", "could not determine a constructor"),
        (b"a: \xff", "line 1 isn't written in UTF-8"),
        (b"a: [1", "line 2, column 1: while parsing a flow sequence, "),
        (b"a: " + b"9" * 5000, "This is no YAML: Exceeds the limit"),
        (b"a: \x01", "This is no YAML: "),
        (b"a: b\n---\nc: d", "single document"),
        (b"a" * 10_000_001, "larger than 10,000,000 bytes"),
    ],
)
def test_what_is_refused(raw: bytes, told: str) -> None:
    """With the place, and before it costs much."""
    with pytest.raises(errors.TaskAdminError) as caught:
        read_yaml(raw)
    assert told in str(caught.value)


def test_a_file_with_a_byte_order_mark() -> None:
    """As Windows' editor writes it."""
    assert read_yaml("\ufefftasks: []\n".encode()) == {"tasks": []}
