"""Set, check and remove second factors: authenticator apps and recovery codes."""

from __future__ import annotations

import time

from flask import current_app

from ..models import User
from ..state import get_state
from ..store.people import codes, second_factors
from ..store.people.audit import Actor, subject_of
from .people import existing_user
from .tasks import actor_or_application
from .traces import log_trace


def set_second_factor(
    user: User, secret: str, code: str, *, actor: Actor | None = None
) -> list[str] | None:
    """Set a user's second factor and end the user's sessions.

    Args:
        code: A code of the authenticator app, which proves that it has the secret.

    Returns:
        New recovery codes to show once; None if the code is wrong.
    """
    step = codes.step_of(secret, code, at=time.time())
    if step is None:
        return None
    by, recovery_codes = actor_or_application(actor), codes.new_recovery_codes()
    second_factors.set_second_factor(
        get_state().session,
        user,
        secret=codes.seal(secret, sealing_keys()),
        step=step,
        code_hashes=map(codes.hash_recovery_code, recovery_codes),
        actor=by,
    )
    log_trace(by, "changed", subject_of(user), {"second_factor": True})
    return recovery_codes


def check_second_factor(user: User, code: str, *, actor: Actor) -> bool:
    """Check a code of the app or a recovery code, and use it up; return whether it is right."""
    session, keys = get_state().session, sealing_keys()
    factor = second_factors.find_second_factor(session, user.id)
    if factor is None:
        return False
    # Key rotation: encrypt secrets with the current key when they are used.
    has_current_key = (secret := codes.unseal(factor.secret, keys[:1])) is not None
    secret = secret or codes.unseal(factor.secret, keys)
    step = None if secret is None else codes.step_of(secret, code, at=time.time())
    if step is None or secret is None:
        code_hash = codes.hash_recovery_code(code)
        return second_factors.use_recovery_code(session, user, code_hash, actor=actor)
    if not second_factors.use_step(session, user.id, step):
        return False
    if not has_current_key:
        second_factors.reseal(session, user.id, codes.seal(secret, keys))
    return True


def replace_recovery_codes(user: User, *, actor: Actor | None = None) -> list[str]:
    """Replace all recovery codes of a user, and return the new ones."""
    by, recovery_codes = actor_or_application(actor), codes.new_recovery_codes()
    hashes = map(codes.hash_recovery_code, recovery_codes)
    second_factors.replace_recovery_codes(get_state().session, user, hashes, actor=by)
    log_trace(by, "changed", subject_of(user), {"recovery_codes": len(recovery_codes)})
    return recovery_codes


def remove_second_factor(user: int | str, *, actor: Actor | None = None) -> bool:
    """Remove a user's second factor, and end the user's sessions; return whether there was one.

    Raises:
        UnknownUser: If there is no such user.
    """
    by, whose = actor_or_application(actor), existing_user(user)
    had_one = second_factors.remove_second_factor(get_state().session, whose, actor=by)
    if had_one:
        log_trace(by, "changed", subject_of(whose), {"second_factor": False})
    return had_one


def sealing_keys() -> list[str | bytes]:
    """Return SECRET_KEY and its earlier values."""
    config = current_app.config
    return [config["SECRET_KEY"], *(config.get("SECRET_KEY_FALLBACKS") or ())]
