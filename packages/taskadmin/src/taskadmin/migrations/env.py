"""Alembic's entry point; ``Migrations`` passes the connection.

There is no URL, since a password with % would break the configuration file, and no ``fileConfig``,
since logging belongs to the host.
"""

from __future__ import annotations

from alembic import context

from taskadmin.migrations.filters import VERSION_TABLE, owns_name
from taskadmin.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    include_name=owns_name,
    render_as_batch=True,
    # For SQLite. On PostgreSQL, all migrations run in one transaction, which has begun already.
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
