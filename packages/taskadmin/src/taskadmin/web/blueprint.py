"""The blueprint with templates, static files and filters of all pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps

from flask import Blueprint, Flask
from jinja2 import pass_context
from jinja2.runtime import Context

from ..errors import ConfigurationError
from ..state import get_state
from ..translation import i18n
from ..translation.changes import value_name, value_text
from ..translation.words import word
from . import page_requests
from .delivery import compression, static_files
from .error_pages import busy_answer, handle_errors, handle_wrong_addresses
from .layout import LAYOUT_ENDPOINT, Layout
from .secret_key import require_secret_key

_PREFIX = re.compile(r"(/[^/\s<>?#\\]+)+")


def checked_prefix(url_prefix: str) -> str:
    """Return *url_prefix* without a slash at its end; empty for pages at the root.

    Raises:
        ConfigurationError: If it isn't a path.
    """
    prefix = url_prefix.rstrip("/") if isinstance(url_prefix, str) else None
    if prefix is None or (prefix and not _PREFIX.fullmatch(prefix)):
        path = "/".join(re.findall(r"[\w.~-]+", url_prefix or "")) or "taskadmin"
        raise ConfigurationError(
            f"url_prefix is {url_prefix!r}; expected a path that starts with a slash, such as"
            f' url_prefix="/{path}".'
        )
    return prefix


def add_shell(app: Flask, url_prefix: str) -> None:
    """Register templates and static files on *app*, once."""
    if LAYOUT_ENDPOINT in app.blueprints:
        return
    # The static files of Flask at the root, or of a host's Flask-Admin that has the same prefix.
    is_taken = any(
        rule.rule.startswith(f"{url_prefix}/static/<") for rule in app.url_map.iter_rules()
    )
    blueprint = Blueprint(
        LAYOUT_ENDPOINT,
        "taskadmin",  # the package that contains the folder
        url_prefix=url_prefix,
        template_folder="templates",
    )
    static_path = "/static/taskadmin" if is_taken else "/static"
    blueprint.add_url_rule(f"{static_path}/<path:filename>", "static", static_files.send_static)
    blueprint.app_context_processor(lambda: {"taskadmin": Layout(get_state())})
    filters: dict[str, Callable[..., str]] = {"word": word, "name": value_name, "value": value_text}
    filters |= i18n.FILTERS
    for name, function in filters.items():
        blueprint.add_app_template_filter(_for_each_reader(function), f"taskadmin_{name}")
    handle_errors(blueprint)
    app.register_blueprint(blueprint)
    page_requests.init_app(app, url_prefix, busy_answer)
    static_files.init_app(app)
    compression.init_app(app)
    app.before_request(require_secret_key)
    i18n.init_app(app)
    handle_wrong_addresses(app, url_prefix)


def _for_each_reader(function: Callable[..., str]) -> Callable[..., str]:
    """Wrap a filter so that Jinja doesn't evaluate it for constants when it compiles a template."""

    @pass_context
    @wraps(function)
    def filter_(_context: Context, *arguments: object, **options: object) -> str:
        return function(*arguments, **options)

    return filter_
