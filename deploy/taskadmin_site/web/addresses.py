"""The site's host names, and the proxies in front of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

HOSTS, PROXIES = "TRUSTED_HOSTS", "TASKADMIN_PROXIES"
#: Addresses at which docker-compose.yml publishes the site, and its name in the stack's network.
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]", "web"]
#: Host of the container's health check.
_HEALTH_CHECK = "127.0.0.1"


def from_environment(
    environ: Mapping[str, str], problems: list[str], *, production: bool
) -> dict[str, Any]:
    """Return Flask's configuration for TRUSTED_HOSTS and TASKADMIN_PROXIES.

    Args:
        problems: Collects a sentence for each missing or invalid variable.
        production: Whether TRUSTED_HOSTS is required.
    """
    hosts = [host.strip() for host in environ.get(HOSTS, "").split(",") if host.strip()]
    if any(set(host) & set("/@ *") for host in hosts):
        problems.append(
            f"{HOSTS} is {environ[HOSTS]!r}; expected names separated by commas,"
            " such as tasks.example.org, or .example.org for all names below it."
        )
    if production and not hosts:
        problems.append(f"{HOSTS} is missing: set the site's host names.")
    proxies = environ.get(PROXIES) or "0"
    if not (proxies.isascii() and proxies.isdigit() and int(proxies) <= 10):
        problems.append(f"{PROXIES} is {proxies!r}; expected their number, from 0 to 10.")
        proxies = "0"
    return {HOSTS: [*hosts, _HEALTH_CHECK] if hosts else LOCAL_HOSTS, "PROXIES": int(proxies)}


def init_app(app: Flask) -> None:
    """Trust the configured number of proxies, and make redirects relative."""
    if count := app.config.get("PROXIES", 0):
        # Each proxy appends to X-Forwarded-For; earlier entries come from the client. Few proxies
        # set X-Forwarded-Prefix. Others pass the client's on, which would become part of redirects.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count
        )
    app.after_request(_without_host)


def _without_host(response: Response) -> Response:
    """Make a redirect relative, so that a shared cache can't store one to a host a client chose."""
    location = response.location
    if location is not None and location.startswith(request.host_url):
        response.location = location.removeprefix(request.host_url.rstrip("/"))
    return response
