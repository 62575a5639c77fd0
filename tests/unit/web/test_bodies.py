"""Bodies of requests: read completely, or refused."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge

from taskadmin.web.bodies import MAX_ACCOUNT_BYTES, read_body

TASKS, LOGIN = "/taskadmin/tasks/new/", "/taskadmin/login"
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}

pytestmark = pytest.mark.databases("sqlite")


class Broken(BytesIO):
    """A connection that breaks."""

    def read(self, *_: object) -> bytes:
        raise OSError("reset by peer")


@pytest.mark.parametrize("declared", [{"CONTENT_LENGTH": "6"}, CHUNKED])
def test_a_whole_body_is_parsed(app: Flask, declared: dict[str, object]) -> None:
    """With a length, and chunked."""
    environ = {"wsgi.input": BytesIO(b"name=x"), **declared}
    form = "application/x-www-form-urlencoded"
    with app.test_request_context(
        TASKS, method="POST", content_type=form, environ_overrides=environ
    ):
        read_body()
        assert request.form.to_dict() == {"name": "x"}


@pytest.mark.parametrize(
    ("path", "body", "declared", "error"),
    [
        (TASKS, BytesIO(b"name=x"), {"CONTENT_LENGTH": "7"}, BadRequest),
        (TASKS, Broken(), {"CONTENT_LENGTH": "7"}, BadRequest),
        (TASKS, Broken(), CHUNKED, BadRequest),
        (TASKS, BytesIO(b"x" * 1001), {"CONTENT_LENGTH": "1001"}, RequestEntityTooLarge),
        (TASKS, BytesIO(b"x" * 1001), CHUNKED, RequestEntityTooLarge),
    ],
    ids=["short", "broken", "broken chunks", "long", "long chunks"],
)
def test_other_bodies_are_refused(
    app: Flask, path: str, body: BytesIO, declared: dict[str, object], error: type[HTTPException]
) -> None:
    """Incomplete forms must not be saved."""
    app.config["MAX_CONTENT_LENGTH"] = 1000
    environ = {"wsgi.input": body, **declared}
    with (
        app.test_request_context(path, method="POST", environ_overrides=environ),
        pytest.raises(error),
    ):
        read_body()


@pytest.mark.parametrize(("path", "is_refused"), [(LOGIN, True), (TASKS, False)])
def test_account_pages_take_less(app: Flask, path: str, is_refused: bool) -> None:
    """Because anyone can send to them."""
    body = BytesIO(b"x" * (MAX_ACCOUNT_BYTES + 1))
    environ = {"wsgi.input": body, "CONTENT_LENGTH": str(MAX_ACCOUNT_BYTES + 1)}
    with app.test_request_context(path, method="POST", environ_overrides=environ):
        if is_refused:
            with pytest.raises(RequestEntityTooLarge):
                read_body()
            assert body.tell() == 0
        else:
            read_body()
            assert len(request.get_data()) == MAX_ACCOUNT_BYTES + 1


@pytest.mark.databases("sqlite")
@pytest.mark.settings(MAX_CONTENT_LENGTH=1_000_000)
def test_forms_larger_than_the_host_takes_are_refused_in_words(superuser: FlaskClient) -> None:
    """With the host's own limit."""
    answer = superuser.post("/taskadmin/tasks/new/", data={"name": "x" * 1_100_000})

    assert answer.status_code == 413
    assert "<h1>Request too large</h1>" in answer.text
