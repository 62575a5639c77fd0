"""Schema migrations, shipped in the package and run by ``flask taskadmin db``."""

from .extension import (
    Migrations,
    check,
    current_revision,
    downgrade,
    is_ahead,
    newest_revision,
    upgrade,
)
from .filters import VERSION_TABLE, include_object

__all__ = [
    "VERSION_TABLE",
    "Migrations",
    "check",
    "current_revision",
    "downgrade",
    "include_object",
    "is_ahead",
    "newest_revision",
    "upgrade",
]
