"""Headers that tell browsers what the site's pages never do, so that nothing else gets them to."""

from __future__ import annotations

from flask import Flask
from flask_talisman import Talisman

from taskadmin.state import get_state

#: https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
#: Everything comes from this site, nothing stands in the pages themselves. To script-src and
#: style-src a nonce is added, a new one for each answer.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def init_app(app: Flask) -> None:
    """Send the headers with every answer of *app*: pages, errors, exports and static files."""
    Talisman(
        app,
        content_security_policy=POLICY,
        content_security_policy_nonce_in=["script-src", "style-src"],
        frame_options="DENY",  # for browsers that don't know frame-ancestors
        # The pages' addresses hold what people search for.
        referrer_policy="same-origin",
        # What listens to plain http, and on which names, is the proxy's business.
        force_https=False,
        # Said only where cookies need TLS, and there only in answers that came over it. Of the
        # names below the site's the site knows nothing.
        strict_transport_security=app.config["SESSION_COOKIE_SECURE"],
        strict_transport_security_include_subdomains=False,
        # Chromium's console complains of features that it doesn't know.
        permissions_policy={},
        # As they were: Talisman would set its own.
        session_cookie_secure=False,
        session_cookie_http_only=app.config["SESSION_COOKIE_HTTPONLY"],
        session_cookie_samesite=app.config["SESSION_COOKIE_SAMESITE"],
    )


def allow_inline_of_flask_admin(app: Flask) -> None:
    """Let Flask-Admin's own templates mark their scripts and styles with the nonce.

    taskadmin's need none. Those of a view that is added to the site without templates of its own
    do.
    """
    admin = get_state(app).admin
    assert admin is not None
    admin.csp_nonce_generator = app.jinja_env.globals["csp_nonce"]
