"""Requests of the API that may be repeated: begin, end, forget."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, select, tuple_, update
from sqlalchemy.orm import Session

from ...models import ApiRequest
from ..database.clock import database_now, now
from ..database.dialect import insert_with_conflicts
from ..database.transaction import changed_rows, ledger_transaction

#: How long a repeated request gets the first one's response.
REPLAYED_FOR = timedelta(hours=24)


class EarlierRequest(NamedTuple):
    """What a request with the same key did."""

    request_hash: str
    #: None if it hasn't finished, or its process died before it could say.
    body: str | None
    headers: str | None


def begin_request(
    session: Session, user_id: int, key: str, request_hash: str
) -> EarlierRequest | None:
    """Claim a key of a user; return the request that has it, or None if it is claimed now."""
    mine = _is(user_id, key)
    with ledger_transaction(session):
        changed_rows(
            session,
            delete(ApiRequest).where(mine, ApiRequest.begun_at < now(session) - REPLAYED_FOR),
        )
        values = {"user_id": user_id, "key_hash": _hash(key), "request_hash": request_hash}
        claimed = session.scalars(
            insert_with_conflicts(session, ApiRequest)
            .values(**values, begun_at=database_now())
            .on_conflict_do_nothing()
            .returning(ApiRequest.user_id)  # drivers don't agree on the number of rows
        ).first()
    if claimed is not None:
        return None
    columns = (ApiRequest.request_hash, ApiRequest.body, ApiRequest.headers)
    found = session.execute(select(*columns).where(mine)).one_or_none()
    session.rollback()
    # It failed in the meantime, and may be sent again.
    return EarlierRequest(request_hash, None, None) if found is None else EarlierRequest(*found)


def end_request(session: Session, user_id: int, key: str, *, body: str, headers: str) -> None:
    """Store the response of a request."""
    with ledger_transaction(session):
        changed_rows(
            session, update(ApiRequest).where(_is(user_id, key)).values(body=body, headers=headers)
        )


def forget_request(session: Session, user_id: int, key: str) -> None:
    """Release the key of a request that failed."""
    with ledger_transaction(session):
        changed_rows(session, delete(ApiRequest).where(_is(user_id, key)))


def prune_requests(session: Session, *, batch: int) -> int:
    """Delete old requests; return how many. The launcher calls this."""
    columns = (ApiRequest.user_id, ApiRequest.key_hash)
    old = ApiRequest.begun_at < now(session) - REPLAYED_FOR
    some = select(*columns).where(old).limit(batch)
    with ledger_transaction(session):
        return changed_rows(session, delete(ApiRequest).where(tuple_(*columns).in_(some), old))


def _is(user_id: int, key: str) -> ColumnElement[bool]:
    return (ApiRequest.user_id == user_id) & (ApiRequest.key_hash == _hash(key))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
