"""A job that measures the latency of a web page."""

from __future__ import annotations

import time
from typing import Annotated

import requests
from flask import current_app
from pydantic import AfterValidator, Field, HttpUrl
from requests_hardened.ip_filter_adapter import IPFilterAdapter

from taskadmin import job

from ..config import PRIVATE_ADDRESSES

#: Maximum bytes to read of a response.
LARGEST = 5_000_000


def _without_user(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None:
        raise ValueError("Everyone would see the username or password in the URL: leave it out.")
    return url


class TooSlow(Exception):
    """The response took longer than the timeout."""


@job(max_attempts=1, time_limit=90)
def http_latency(
    url: Annotated[
        HttpUrl,
        AfterValidator(_without_user),
        Field(description="Must be reachable from the worker."),
    ],
    timeout: Annotated[float, Field(gt=0, le=60, description="In seconds.")] = 5.0,
) -> float:
    """Measure how many seconds a GET of the URL takes, including redirects.

    The run fails on an HTTP error status and on a timeout. Private addresses are refused unless
    the site's configuration allows them.
    """
    begun = time.perf_counter()
    with requests.Session() as session:
        session.max_redirects = 5
        # Ignore proxies and passwords configured on the worker's machine.
        session.trust_env = False
        # Users who can create tasks must not use the worker to reach what they can't reach
        # themselves: this machine and private networks, also after a redirect.
        if not current_app.config.get(PRIVATE_ADDRESSES):
            # These connect to the checked address, even if the name resolves anew.
            session.mount("http://", IPFilterAdapter(is_https_proto=False))
            session.mount("https://", IPFilterAdapter(is_https_proto=True))
        with session.get(str(url), timeout=timeout, stream=True) as answer:
            answer.raise_for_status()
            read = 0
            # Read what has arrived: requests' own reading waits for full blocks, and its timeout
            # applies to each wait.
            while read < LARGEST and (some := answer.raw.read1(65_536)):
                read += len(some)
                if time.perf_counter() - begun > timeout:
                    raise TooSlow(f"The response wasn't complete after {timeout:g} s.")
    return time.perf_counter() - begun
