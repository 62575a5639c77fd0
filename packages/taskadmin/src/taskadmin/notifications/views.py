"""Notifications page: channels, rules and deliveries. Superusers only."""

from __future__ import annotations

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from .. import service
from ..admin.flask_admin.access import ProtectedView
from ..admin.flask_admin.forms import ConfirmedForm
from ..errors import InvalidChannel, UnknownTask
from ..models import ChannelKind, NotificationChannel, NotifiedEvent
from ..service import ChannelInput, Sending
from ..store.notifications import channels
from ..store.runs.lists import last_runs
from ..translation.texts import gettext
from ..values.ids import parse_id
from ..values.tracebacks import message_of
from ..web.actor import current_actor
from ..web.error_pages import error_page
from ..web.redirects import redirect
from .failure import INSTALL, is_installed
from .forms import EVENTS, KINDS, ChannelForm, RuleForm, TaskRuleForm

#: Deliveries in the history.
_HISTORY = 20


class NotificationsView(ProtectedView):
    """Channels with their last deliveries, and rules."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """List channels, rules and deliveries."""
        return self._index(RuleForm())

    @expose("/rules/", methods=("POST",))
    def rules_view(self) -> ResponseReturnValue:
        """Add a rule, or delete the one of the button."""
        if request.form.get("delete"):
            rule_id = parse_id(request.form["delete"])
            if not ConfirmedForm().validate_on_submit():
                return error_page(400)
            if rule_id is None or not service.delete_rule(rule_id, actor=current_actor()):
                return error_page(404)
            flash(gettext("Rule deleted."), "success")
            task_id = parse_id(request.args.get("task"))
            back = ".index_view" if task_id is None else ".task_view"
            return redirect(self.get_url(back, id=task_id))
        form = RuleForm()
        form.offer(list(channels.list_channels(self.database)))
        if form.validate_on_submit():
            task = (form.task.data or "").strip()
            number = int(task) if task.isascii() and task.isdigit() else task
            if self._add(form, number or None, form.job.data or None):
                return redirect(self.get_url(".index_view"))
        return self._index(form), 422

    @expose("/task/", methods=("GET", "POST"))
    def task_view(self) -> ResponseReturnValue:
        """Show which rules apply to the task of ``id``, and add one; then return to the task."""
        number = parse_id(request.args.get("id"))
        task = None if number is None else service.find_task(number)
        if task is None:
            return error_page(404)
        form, found = TaskRuleForm(), list(channels.list_channels(self.database))
        form.offer(found)
        if form.validate_on_submit() and self._add(form, task.id):
            address = url_for("taskadmin_tasks.details_view", id=task.id, tab="definition")
            return redirect(address)
        page = self.render(
            "taskadmin/notifications/task.html",
            task=task,
            channels=found,
            rules=channels.list_rules(self.database, task),
            form=form,
            events=EVENTS,
        )
        return page, 422 if form.errors else 200

    @expose("/channel/", methods=("GET", "POST"))
    def channel_view(self) -> ResponseReturnValue:
        """Create a channel, or change the one of ``id``."""
        channel = self._channel()
        if channel is None and "id" in request.args:
            return error_page(404)
        form = ChannelForm(obj=channel)
        if channel is not None:
            del form.kind
        if form.validate_on_submit():
            try:
                saved = self._save(channel, form)
            except InvalidChannel as error:
                field = error.field if error.field in form else "name"
                form[field].errors = [str(error)]
            else:
                if channel is None and saved.signing_key and not form.signing_key.data:
                    key = service.channel_secrets(saved.id).signing_key
                    return self.render(
                        "taskadmin/notifications/key.html", channel=saved, signing_key=key
                    )
                flash(gettext("%(name)s saved.", name=form.name.data), "success")
                return redirect(self.get_url(".index_view"))
        page = self.render(
            "taskadmin/notifications/channel.html",
            form=form,
            channel=channel,
            is_webhook=channel is not None and channel.kind == ChannelKind.WEBHOOK,
        )
        return page, 422 if form.errors else 200

    @expose("/test/", methods=("POST",))
    def test_view(self) -> ResponseReturnValue:
        """Send a test message to a channel."""
        channel = self._channel()
        if channel is None:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        started = service.send_test(channel.id, actor=current_actor())
        if started.sending == Sending.SENT:
            flash(gettext("Test message to %(name)s queued.", name=channel.name), "success")
        else:
            flash(gettext("The test message waits for a launcher."), "warning")
        return redirect(self.get_url(".index_view"))

    @expose("/delete/", methods=("POST",))
    def delete_view(self) -> ResponseReturnValue:
        """Delete a channel with its rules and deliveries."""
        channel = self._channel()
        if channel is None:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        name = channel.name
        service.delete_channel(channel.id, actor=current_actor())
        flash(gettext("%(name)s deleted.", name=name), "success")
        return redirect(self.get_url(".index_view"))

    def _index(self, form: RuleForm) -> str:
        found = list(channels.list_channels(self.database))
        form.offer(found)
        ids = [one.task_id for one in found if one.task_id is not None]
        runs = last_runs(self.database, ids, most=1)
        page: str = self.render(
            "taskadmin/notifications/list.html",
            channels=found,
            last={task_id: some[-1] for task_id, some in runs.items()},
            deliveries=channels.newest_deliveries(self.database, found, limit=_HISTORY),
            names={one.task_id: one.name for one in found},
            message_of=message_of,
            rules=channels.list_rules(self.database),
            form=form,
            kinds=KINDS,
            events=EVENTS,
            install=None if is_installed() else INSTALL,
        )
        return page

    def _add(self, form: TaskRuleForm, task: int | str | None, job: str | None = None) -> bool:
        try:
            service.add_rule(
                int(form.channel.data),
                NotifiedEvent(form.event.data),
                number=form.number.data,
                job=job,
                task=task,
                actor=current_actor(),
            )
        except InvalidChannel as error:
            form[error.field].errors = [str(error)]
        except UnknownTask as error:
            form["task"].errors = [str(error)]
        else:
            flash(gettext("Rule added."), "success")
            return True
        return False

    def _save(self, channel: NotificationChannel | None, form: ChannelForm) -> NotificationChannel:
        kind = ChannelKind(form.kind.data if channel is None else channel.kind)
        given = ChannelInput(
            form.name.data or "",
            kind,
            form.address.data or None,
            form.signing_key.data or None,
            form.gather_seconds.data,
            form.quiet_from.data or None,
            form.quiet_until.data or None,
            form.zone.data or "UTC",
        )
        if channel is None:
            return service.create_channel(given, actor=current_actor())
        return service.edit_channel(channel.id, given, actor=current_actor())

    def _channel(self) -> NotificationChannel | None:
        number = parse_id(request.args.get("id"))
        return None if number is None else service.find_channel(number)
