"""``Notifications``: register the job, the checks of addresses and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..admin.flask_admin.index import IndexView
from ..models import ChannelKind
from ..state import MenuItem, register
from ..translation.i18n import lazy_gettext
from . import apprise_channel, delivery, webhook
from .views import NotificationsView

if TYPE_CHECKING:
    from flask import Flask

_CHECKS = {ChannelKind.APPRISE: apprise_channel.check, ChannelKind.WEBHOOK: webhook.check}


class Notifications:
    """Tell people by mail, chat or webhooks what happens to tasks.

    Call it in every process, after ``TaskAdmin``: launchers look for events, workers deliver the
    messages.
    """

    def init_app(self, app: Flask, *, url_prefix: str = "/taskadmin") -> None:
        """Register the part on *app*; no connection is opened.

        Args:
            url_prefix: Path prefix of the pages, as for ``TaskAdmin``.

        Raises:
            RegistrationError: Without ``TaskQueue`` and ``AdminViews``, or on a second call.
        """
        state = register(app, "Notifications", needs=("Models", "TaskQueue", "AdminViews"))
        delivery.register_job()

        def check(kind: str, address: str) -> None:
            _CHECKS[ChannelKind(kind)](address)

        state.check_channel_address = check
        assert state.admin is not None  # AdminViews is registered
        category = None if isinstance(state.admin.index_view, IndexView) else "taskadmin"
        view = NotificationsView(
            name=lazy_gettext("Notifications"),
            endpoint="taskadmin_notifications",
            url=f"{url_prefix}/notifications",
            category=category,
        )
        state.admin.add_view(view)
        state.pages.append(MenuItem(view.name, "taskadmin_notifications.index_view", view.allows))
