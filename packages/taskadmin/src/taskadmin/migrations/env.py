"""Alembic's entry point; ``Migrations`` passes the connection in.

No URL (a password with % breaks the configuration file), no ``fileConfig``
(logging is the host's).
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
    # A failure in a later revision doesn't undo the earlier ones.
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
