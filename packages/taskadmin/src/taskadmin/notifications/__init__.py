"""Notifications: tell people by mail, chat or webhooks what happens to tasks."""

from .extension import Notifications

__all__ = ["Notifications"]
