"""The declarative base of all models.

Modules of models don't import annotations from ``__future__``: SQLAlchemy would have to evaluate
each column's type from text, which takes an eighth of the models' import time.
"""

from uuid import UUID

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase

from .columns import typeless

TABLE_PREFIX = "taskadmin_"


class Base(DeclarativeBase):
    """Base of taskadmin's models, with its own metadata; used through the host's session."""

    metadata = MetaData(
        # Every name begins with the table's name, and so with taskadmin_.
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map = {int: typeless.Integer, bool: typeless.Boolean, UUID: typeless.Uuid}


#: Ids of rows that the launcher inserts. SQLite autoincrements INTEGER keys only.
BigId = BigInteger().with_variant(Integer(), "sqlite")
