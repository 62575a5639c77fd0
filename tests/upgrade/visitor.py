"""A superuser who reads all pages and starts runs, whichever web process answers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import requests

from compose.site import Site, text_of
from faults.stages.web import SENT

NAME = "chief"
#: Seconds between two requests.
PAUSE_SECONDS = 0.1
#: Pages between two presses of "Run now".
PRESS_EVERY = 5
HEALTH = "/taskadmin/healthz"
HOME = "/taskadmin/"
LOGIN = "/taskadmin/login"


class Visitor:
    """Sends requests to several web processes in turn, as a load balancer would.

    If one of them is being replaced, which refuses connections, the next one must answer.
    """

    def __init__(self, addresses: Sequence[str], password: str, task_id: int) -> None:
        self._sites = [Site(address) for address in addresses]
        for site in self._sites[1:]:
            site.session = self._sites[0].session  # cookies don't depend on the port
        self._turn = 0
        self._password = password
        self._task = f"/taskadmin/tasks/details/?id={task_id}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._visit, daemon=True)
        #: Errors, and requests that nobody answered.
        self.problems: list[str] = []
        self.answered = self.logins = self.pressed = self.promised = 0
        self.paths: set[str] = set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the current request, and end."""
        self._over.set()
        self._thread.join(30)

    def _visit(self) -> None:
        left: list[str] = []
        while not self._over.wait(PAUSE_SECONDS):
            left = left or sorted(self.paths | {HOME, LOGIN})
            self._ask(partial(self._get, path=HEALTH))
            self._ask(partial(self._read, path=left.pop()))
            if len(left) % PRESS_EVERY == 0:
                self._ask(self._press)

    def _ask(self, request: Callable[[Site], object]) -> None:
        """Send a request to the next process that accepts connections."""
        deadline = time.monotonic() + 2
        while True:
            self._turn += 1
            try:
                request(self._sites[self._turn % len(self._sites)])
            except requests.ConnectionError as error:
                # Longer than a replaced process needs to give up its port.
                if time.monotonic() > deadline:
                    self.problems.append(f"no process answered: {error}")
                    return
            except (requests.RequestException, AssertionError) as error:
                self.problems.append(str(error)[:500])
                return
            else:
                return

    def _get(self, site: Site, path: str) -> requests.Response:
        answer = site.session.get(site.address + path, timeout=10)
        self.answered += 1
        if answer.status_code >= 500:
            self.problems.append(f"{path} at {site.address}: {answer.status_code}")
        elif answer.status_code == 404:
            self.paths.discard(path)  # one version has this page
        return answer

    def _read(self, site: Site, path: str) -> None:
        answer = self._get(site, path)
        if path != LOGIN and LOGIN in answer.url:
            self._log_in(site)
            answer = self._get(site, path)
        found = re.findall(r'href="(/taskadmin/[^"?#.]*)"', answer.text)
        self.paths |= {path for path in found if "logout" not in path and "language" not in path}

    def _log_in(self, site: Site) -> None:
        self.logins += 1
        site.log_in(NAME, self._password)

    def _press(self, site: Site) -> None:
        if LOGIN in self._get(site, self._task).url:
            self._log_in(site)
        self.pressed += 1
        said = text_of(site.submit(self._task, press=("action", "run_now")))
        self.promised += any(text in said for text in SENT)
