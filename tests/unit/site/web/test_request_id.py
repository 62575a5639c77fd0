"""Request ids in responses and log lines."""

from __future__ import annotations

import pytest
from flask import Flask

from services.logs import Log


@pytest.mark.parametrize("sent", ["abc-123.DEF_456", "0" * 128])
def test_request_id_of_a_proxy_is_kept(site: Flask, json_log: Log, sent: str) -> None:
    """A well-formed X-Request-ID is logged and sent back."""

    def view() -> str:
        json_log.logger.info("here")
        return "ok"

    site.add_url_rule("/", view_func=view)

    answer = site.test_client().get("/", headers={"X-Request-ID": sent})

    assert answer.headers["X-Request-ID"] == sent
    assert json_log.objects[0]["request_id"] == sent


@pytest.mark.parametrize(
    "sent", ["", "short", "0" * 129, "with space in it", "x" * 20 + '"}', "ä" * 9]
)
def test_other_request_ids_are_replaced(site: Flask, sent: str) -> None:
    """Clients can't write to the log with a header."""
    site.add_url_rule("/", view_func=lambda: "ok")

    answer = site.test_client().get("/", headers={"X-Request-ID": sent})

    assert answer.headers["X-Request-ID"] != sent
    assert len(answer.headers["X-Request-ID"]) == 36
