"""Store second factors: set, use and remove them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import CursorResult, delete, func, insert, select, update
from sqlalchemy.orm import Session

from ...jobs.arguments.masking import DOTS
from ...models import RecoveryCode, SecondFactor, User
from ...models.user import new_session_nonce
from ..database.clock import database_now
from ..database.transaction import ledger_transaction
from .audit import Actor, record, subject_of


def find_second_factor(session: Session, user_id: int) -> SecondFactor | None:
    """Return a user's second factor."""
    return session.get(SecondFactor, user_id)


def count_recovery_codes(session: Session, user_id: int) -> int:
    """Count the recovery codes that a user has left."""
    count = select(func.count()).where(RecoveryCode.user_id == user_id)
    return session.scalars(count).one()


def set_second_factor(
    session: Session,
    user: User,
    *,
    secret: str,
    step: int,
    code_hashes: Iterable[str],
    actor: Actor,
) -> None:
    """Set a user's second factor and recovery codes, and end the user's sessions.

    Args:
        secret: The encrypted secret.
        step: Time step of the code that confirmed the app.
    """
    with ledger_transaction(session):
        had_one = _delete(session, user.id)
        session.execute(
            insert(SecondFactor.__table__).values(  # type: ignore[arg-type]
                user_id=user.id, secret=secret, last_step=step, created_at=database_now()
            )
        )
        _add_codes(session, user.id, code_hashes)
        _record(session, user, actor, before=had_one, after=True)


def remove_second_factor(session: Session, user: User, *, actor: Actor) -> bool:
    """Remove a user's second factor and recovery codes, and end the user's sessions.

    Returns:
        Whether the user had a second factor.
    """
    with ledger_transaction(session):
        had_one = _delete(session, user.id)
        if had_one:
            _record(session, user, actor, before=True, after=False)
    return had_one


def use_step(session: Session, user_id: int, step: int) -> bool:
    """Mark a time step as used; return False if this step or a later one was already used."""
    with ledger_transaction(session):
        done: CursorResult[Any] = session.execute(
            update(SecondFactor)
            .where(SecondFactor.user_id == user_id, SecondFactor.last_step < step)
            .values(last_step=step),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
    return done.rowcount > 0


def use_recovery_code(session: Session, user: User, code_hash: str, *, actor: Actor) -> bool:
    """Use up a recovery code; return whether it existed. The audit entry has the number left."""
    with ledger_transaction(session):
        done: CursorResult[Any] = session.execute(
            delete(RecoveryCode).where(
                RecoveryCode.user_id == user.id, RecoveryCode.code_hash == code_hash
            ),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
        if done.rowcount:
            left = count_recovery_codes(session, user.id)
            before, after = {"recovery_codes": left + 1}, {"recovery_codes": left}
            record(session, actor, "changed", subject_of(user), before=before, after=after)
    return done.rowcount > 0


def replace_recovery_codes(
    session: Session, user: User, code_hashes: Iterable[str], *, actor: Actor
) -> None:
    """Replace all recovery codes of a user."""
    with ledger_transaction(session):
        before = {"recovery_codes": count_recovery_codes(session, user.id)}
        _delete_codes(session, user.id)
        _add_codes(session, user.id, code_hashes)
        after = {"recovery_codes": count_recovery_codes(session, user.id)}
        record(session, actor, "changed", subject_of(user), before=before, after=after)


def reseal(session: Session, user_id: int, secret: str) -> None:
    """Replace the encrypted secret, after encryption with a new key."""
    with ledger_transaction(session):
        session.execute(
            update(SecondFactor).where(SecondFactor.user_id == user_id).values(secret=secret),
            execution_options={"synchronize_session": False},
        )


def _record(session: Session, user: User, actor: Actor, *, before: bool, after: bool) -> None:
    user.session_nonce = new_session_nonce()
    old, new = ({"second_factor": DOTS if there else None} for there in (before, after))
    record(session, actor, "changed", subject_of(user), before=old, after=new)


def _delete(session: Session, user_id: int) -> bool:
    _delete_codes(session, user_id)
    done: CursorResult[Any] = session.execute(
        delete(SecondFactor).where(SecondFactor.user_id == user_id),
    )  # type: ignore[assignment]
    return done.rowcount > 0


def _delete_codes(session: Session, user_id: int) -> None:
    session.execute(
        delete(RecoveryCode).where(RecoveryCode.user_id == user_id),
        execution_options={"synchronize_session": False},
    )


def _add_codes(session: Session, user_id: int, code_hashes: Iterable[str]) -> None:
    rows = [{"user_id": user_id, "code_hash": code_hash} for code_hash in code_hashes]
    session.execute(insert(RecoveryCode.__table__), rows)  # type: ignore[arg-type]
