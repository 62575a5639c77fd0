"""A web process, and a user who keeps pressing "Run now"."""

from __future__ import annotations

import contextlib
import threading

import requests

from compose.site import Site, text_of
from services.servers.postgresql import free_port
from taskadmin.store.people.passwords import hash_password

from .stage import Stage

PASSWORD = "a password for the suite"
#: Messages for a created run; the second one while the broker is unavailable.
SENT = ("1 run queued and sent to the workers.", "1 run queued; it will be sent when")


class Web:
    """The stage's web process."""

    def __init__(self, stage: Stage) -> None:
        stage.sql(
            "INSERT INTO taskadmin_user (username, username_key, password_hash, is_superuser,"
            " session_nonce, created_at) VALUES ('chief', 'chief', %s, true, 'nonce', now())",
            hash_password(PASSWORD),
        )
        self._stage = stage
        port = free_port()
        self._site = Site(f"http://127.0.0.1:{port}")
        self._over = threading.Event()
        self._person = threading.Thread(target=self._press, daemon=True)
        self._pressed = self._promised = self._task_id = 0
        stage.on_close(self._over.set)
        stage.start("web", "flask", "--app", "faults.stages.host:app", "run", "-p", str(port))

    def press_all_the_time(self, task_id: int) -> None:
        """Log in, and keep pressing "Run now" from now on."""
        self._stage.wait(self._signed_in, "a signed-in person", seconds=45)
        self._task_id = task_id
        self._person.start()

    def _signed_in(self) -> bool:
        with contextlib.suppress(requests.RequestException, AssertionError):
            self._site.log_in("chief", PASSWORD)
            return True
        return False

    def _press(self) -> None:
        path = f"/taskadmin/tasks/details/?id={self._task_id}"
        while not self._over.wait(0.5):
            with contextlib.suppress(requests.RequestException, AssertionError):
                self._pressed += 1
                said = text_of(self._site.submit(path, press=("action", "run_now")))
                self._promised += any(text in said for text in SENT)

    def judge(self) -> None:
        """Stop pressing, and check that there are as many runs as the pages promised."""
        # On a slow machine, it may be restarted before it has started.
        self._stage.wait(lambda: self._promised, "a promised run", seconds=60)
        self._over.set()
        self._person.join(30)
        there = self._stage.value("SELECT count(*) FROM taskadmin_launch WHERE kind = 'manual'")
        self._stage.expect(
            self._promised <= there <= self._pressed,
            f"pressed {self._pressed} times, {self._promised} runs promised, {there} are there",
        )
        self._stage.launches += there
