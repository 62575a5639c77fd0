"""A receiver of webhooks that checks their signatures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

#: The key of all tests, 32 bytes.
KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass
class Receiver:
    """What arrived; wrong signatures are answered by 400."""

    url: str = ""
    status: int = 204
    messages: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    #: All requests, whatever their method and signature.
    requests: int = 0


@contextmanager
def receiver(key: str = KEY) -> Iterator[Receiver]:
    """Receive webhooks on a free port of this machine."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests += 1
            self.answer(found.status)

        def do_POST(self) -> None:
            found.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                message = Webhook(key).verify(body, dict(self.headers.items()))
            except WebhookVerificationError:
                self.answer(400)
                return
            found.messages.append(message)
            found.ids.append(self.headers["webhook-id"])
            self.answer(found.status)

        def answer(self, status: int) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook/secret-path"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
