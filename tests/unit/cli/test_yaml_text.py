"""Read and write YAML of tasks, with limits."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from taskadmin import errors
from taskadmin.cli.yaml_text import read_yaml, write_yaml
from taskadmin.store.tasks.as_code.format import Lines

# Texts that JSON columns of both databases store: without NUL and lone surrogates.
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
    """Return the export of *document*."""
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
    """Texts that YAML 1.1 would read as other types are quoted, except dates."""
    value = yaml.safe_load(written({"value": text}))["value"]
    assert value == text or str(value)[:10] == text[:10]


def test_plain_words_are_read_as_in_yaml_1_2() -> None:
    """Unlike with PyYAML's own loader: no, octal and sexagesimal numbers."""
    read = read_yaml(b"[no, 010, 1:30, 1e5, 2027-01-01T09:00:00+01:00, 1_000, ~, true, -.inf]")
    assert read == [
        *("no", "010", "1:30", 100000.0, "2027-01-01T09:00:00+01:00", "1_000", None, True),
        float("-inf"),
    ]


def test_texts_of_several_lines_are_blocks() -> None:
    """So that a diff shows the changed line."""
    assert written({"body": "Dear all,\nhello\n"}) == "body: |\n  Dear all,\n  hello\n"


def test_mappings_know_their_lines() -> None:
    """For error messages."""
    document = read_yaml(b"# tasks\ntasks:\n- name: A\n  job: mail\n")
    [entry] = document["tasks"]
    assert isinstance(entry, Lines)
    assert (entry.line, entry.lines) == (3, {"name": 3, "job": 4})


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"a: &x [1]\nb: *x", "line 1, column 4: anchors and aliases aren't allowed."),
        (b"a: *x", "aliases aren't allowed"),
        (b"a: 1\nb: 2\na: 3", "line 3, column 1: a is defined twice."),
        (b"1: 2", "a key that isn't a string"),
        (b"[" * 111, "nested more than 110 levels deep"),
        (b"[" * 1_000_000, "nested more than 110 levels deep"),
        (b"a: !!python/name:os.system ''", "could not determine a constructor"),
        (b"a: \xff", "line 1 isn't UTF-8"),
        (b"a: [1", "line 2, column 1: while parsing a flow sequence, "),
        (b"a: " + b"9" * 5000, "Not valid YAML: Exceeds the limit"),
        (b"a: \x01", "Not valid YAML: "),
        (b"a: b\n---\nc: d", "single document"),
        (b"a" * 10_000_001, "larger than 10,000,000 bytes"),
    ],
)
def test_what_is_refused(raw: bytes, told: str) -> None:
    """With the place, and quickly."""
    with pytest.raises(errors.TaskAdminError) as caught:
        read_yaml(raw)
    assert told in str(caught.value)


def test_a_file_with_a_byte_order_mark() -> None:
    """As written by editors on Windows."""
    assert read_yaml("\ufefftasks: []\n".encode()) == {"tasks": []}
