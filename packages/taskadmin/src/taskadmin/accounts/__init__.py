"""Accounts: log in with taskadmin's own pages, or users of the host."""

from .extension import Accounts
from .identity import HostUrl, Identity, IdentityFunction, IdentityOfFunction

__all__ = ["Accounts", "HostUrl", "Identity", "IdentityFunction", "IdentityOfFunction"]
