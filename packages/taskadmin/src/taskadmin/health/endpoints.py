"""``/healthz`` and ``/readyz``, for load balancers and orchestrators, without login."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from ..state import get_state
from ..web.problems import problem, refuse_other_methods
from .readiness import Readiness

#: Register it below any prefix, and more than once under different names:
#: ``app.register_blueprint(blueprint, name="health")``. It needs ``Models``.
blueprint = Blueprint("taskadmin_health", __name__)


@blueprint.record
def _prepare(setup: Any) -> None:
    state = get_state(setup.app)
    if state.readiness is None:
        state.readiness = Readiness(setup.app)
    for name in ("healthz", "readyz"):
        refuse_other_methods(setup.app, f"{setup.url_prefix or ''}/{name}", lambda: problem(405))


@blueprint.get("/healthz", provide_automatic_options=False)
def healthz() -> Response:
    """Report that this process responds, without asking database or broker.

    So an orchestrator doesn't restart a healthy process because something else is down.
    """
    return _answer({"status": "ok"})


@blueprint.get("/readyz", provide_automatic_options=False)
def readyz() -> tuple[Response, int]:
    """Report whether database, schema and broker are ready, by 200 or 503, and beat's lag."""
    readiness = get_state().readiness
    assert readiness is not None
    ready, answer = readiness.look()
    return _answer(answer), 200 if ready else 503


def _answer(content: dict[str, object]) -> Response:
    response = jsonify(content)
    response.cache_control.no_store = True
    return response
