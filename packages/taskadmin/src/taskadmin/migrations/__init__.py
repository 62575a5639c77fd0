"""Schema migrations, shipped in the package and run by ``flask taskadmin db``."""

from .extension import (
    ExistingTable,
    Migrations,
    check,
    current_revision,
    downgrade,
    drop_tables,
    existing_tables,
    is_ahead,
    missing_schema,
    newest_revision,
    upgrade,
)
from .filters import VERSION_TABLE, include_object

__all__ = [
    "VERSION_TABLE",
    "ExistingTable",
    "Migrations",
    "check",
    "current_revision",
    "downgrade",
    "drop_tables",
    "existing_tables",
    "include_object",
    "is_ahead",
    "missing_schema",
    "newest_revision",
    "upgrade",
]
