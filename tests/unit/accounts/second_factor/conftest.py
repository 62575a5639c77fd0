"""Ana's second factor."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from services.accounts import SECRET
from taskadmin.models import User
from taskadmin.store.people import codes, second_factors
from taskadmin.store.people.audit import Actor


@pytest.fixture
def recovery_codes(session: Session, ana: User) -> list[str]:
    """Ana's recovery codes, from setting up SECRET some time ago."""
    made = codes.new_recovery_codes()
    second_factors.set_second_factor(
        session,
        ana,
        secret=codes.seal(SECRET, ["only for tests"]),
        step=0,
        code_hashes=map(codes.hash_recovery_code, made),
        actor=Actor(ana.id, "Ana", "192.0.2.1"),
    )
    return made
