"""People with a password."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin.accounts.passwords import hash_password
from taskadmin.models import User

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def password_hash() -> str:
    """One hash for all tests: each costs as much as it should."""
    return hash_password(PASSWORD)


@pytest.fixture
def password() -> str:
    """The password of ``ana``."""
    return PASSWORD


@pytest.fixture
def ana(session: Session, make_user: MakeUser, password_hash: str) -> User:
    """Somebody with a password and without rights."""
    user = make_user("Ana")
    user.password_hash = password_hash
    session.commit()
    return user
