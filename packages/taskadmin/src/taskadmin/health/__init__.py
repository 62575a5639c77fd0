"""Health checks: ``/healthz``, ``/readyz`` and ``flask taskadmin doctor``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .endpoints import blueprint

if TYPE_CHECKING:
    from .doctor import Finding, Status, examine
    from .report import as_json, as_text
else:
    # Only the doctor's command needs it: no worker and no other command imports its checks.
    _MODULES = {
        "Finding": "finding",
        "Status": "finding",
        "as_json": "report",
        "as_text": "report",
        "examine": "doctor",
    }

    def __getattr__(name):
        if name in _MODULES:
            return getattr(import_module(f".{_MODULES[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Finding", "Status", "as_json", "as_text", "blueprint", "examine"]
