"""Security headers: browsers enforce that pages do only what the site needs."""

from __future__ import annotations

from functools import partial

from flask import Flask
from flask_talisman import Talisman

from taskadmin.state import get_state

#: https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
#: Everything is loaded from this site, nothing is inline. A nonce, new for each response, is added
#: to script-src and style-src.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def init_app(app: Flask) -> Talisman:
    """Send the headers with every response: pages, errors, exports and static files."""
    return Talisman(
        app,
        content_security_policy=POLICY,
        content_security_policy_nonce_in=["script-src", "style-src"],
        frame_options="DENY",  # for browsers without frame-ancestors
        # URLs contain search terms.
        referrer_policy="same-origin",
        # Redirecting plain HTTP is the proxy's job.
        force_https=False,
        # Only where cookies require TLS, and not for subdomains, which may belong to other sites.
        strict_transport_security=app.config["SESSION_COOKIE_SECURE"],
        strict_transport_security_include_subdomains=False,
        # Chromium logs errors for features it doesn't know.
        permissions_policy={},
        # Keep the settings of create_app; Talisman would override them.
        session_cookie_secure=False,
        session_cookie_http_only=app.config["SESSION_COOKIE_HTTPONLY"],
        session_cookie_samesite=app.config["SESSION_COOKIE_SAMESITE"],
    )


def omit_nonces_of_static_files(app: Flask, talisman: Talisman) -> None:
    """Send the same headers with a static file each time: browsers and caches keep them with it."""
    for endpoint, view in app.view_functions.items():
        if endpoint == "static" or endpoint.endswith(".static"):
            # Options are attributes of the view, which a method can't have.
            without = talisman(content_security_policy_nonce_in=[])
            app.view_functions[endpoint] = without(partial(view))


def allow_inline_of_flask_admin(app: Flask) -> None:
    """Let Flask-Admin's own templates mark their scripts and styles with the nonce.

    taskadmin's templates have no inline code. Views that are added to the site without templates
    of their own use Flask-Admin's, which do.
    """
    admin = get_state(app).admin
    assert admin is not None
    admin.csp_nonce_generator = app.jinja_env.globals["csp_nonce"]
