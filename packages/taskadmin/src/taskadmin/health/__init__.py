"""Whether everything works: ``/healthz``, ``/readyz`` and ``flask taskadmin doctor``."""

from .doctor import Finding, Status, examine
from .endpoints import blueprint
from .report import as_json, as_text

__all__ = ["Finding", "Status", "as_json", "as_text", "blueprint", "examine"]
