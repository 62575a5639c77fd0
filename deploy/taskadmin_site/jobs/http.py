"""How fast a web page answers."""

from __future__ import annotations

import time
from typing import Annotated

import requests
from pydantic import Field, HttpUrl

from taskadmin import job

#: What is read of an answer, in bytes; the rest is nobody's business here.
LARGEST = 5_000_000


class TooSlow(Exception):
    """The answer took longer than was allowed."""


@job(max_attempts=1, time_limit=90)
def http_latency(
    url: Annotated[HttpUrl, Field(description="As the worker reaches it.")],
    timeout: Annotated[float, Field(gt=0, le=60, description="In seconds.")] = 5.0,
) -> float:
    """Seconds that a GET of the URL takes, redirects and all.

    An answer that isn't a success fails the run, and so does one that takes too long.
    """
    begun = time.perf_counter()
    with requests.Session() as session:
        session.max_redirects = 5
        # Proxies and passwords of the machine's are none of the task's.
        session.trust_env = False
        with session.get(str(url), timeout=timeout, stream=True) as answer:
            answer.raise_for_status()
            read = 0
            # Whatever has come: requests' own reading waits until a block is full, and its
            # limit is for each wait.
            while read < LARGEST and (some := answer.raw.read1(65_536)):
                read += len(some)
                if time.perf_counter() - begun > timeout:
                    raise TooSlow(f"The answer wasn't complete after {timeout:g} s.")
    return time.perf_counter() - begun
