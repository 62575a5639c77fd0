"""Accounts: who is signed in, by taskadmin's own log in pages or by the host."""

from .extension import Accounts
from .identity import Identity, IdentityFunction

__all__ = ["Accounts", "Identity", "IdentityFunction"]
