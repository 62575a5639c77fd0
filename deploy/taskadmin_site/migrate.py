"""Create the database's roles, upgrade the schema and grant the roles their privileges.

The service ``migrate`` runs this. ``POSTGRES_USER`` is the tables' owner there, and
``ADMIN_POSTGRES_USER`` the server's administrator, who creates the roles.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import psycopg
from sqlalchemy import URL

from taskadmin import migrations
from taskadmin.state import get_state
from taskadmin.store.database.rights import RolePurpose, grant_rights

from . import create_app
from .config import from_environment
from .stack.environment import with_files
from .stack.roles import make_roles
from .stack.users import user_name

#: Services with their own role.
PARTS = {"web": RolePurpose.PAGES, "worker": RolePurpose.WORKER, "beat": RolePurpose.BEAT}


def main(environ: Mapping[str, str]) -> None:
    """Create, upgrade and grant whatever is missing."""
    app = create_app(from_environment(environ))
    environ, _ = with_files(environ)
    url: URL = app.config["SQLALCHEMY_DATABASE_URI"]
    assert url.username is not None and url.password is not None  # the site requires both
    roles = {user_name(one): environ[f"{one.upper()}_POSTGRES_PASSWORD"] for one in PARTS}
    with psycopg.connect(
        host=url.host,
        port=url.port,
        dbname=url.database,
        user=environ["ADMIN_POSTGRES_USER"],
        password=environ["ADMIN_POSTGRES_PASSWORD"],
    ) as administrator:
        make_roles(
            administrator,
            owner=url.username,
            passwords={url.username: str(url.password), **roles},
            temporary=[user_name("web")],
        )
    migrations.upgrade(app)
    with app.app_context():
        session = get_state(app).session
        for service, part in PARTS.items():
            grant_rights(session, user_name(service), part, version_table=migrations.VERSION_TABLE)
        session.commit()


if __name__ == "__main__":
    main(os.environ)
