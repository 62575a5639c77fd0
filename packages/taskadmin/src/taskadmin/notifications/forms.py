"""Forms of the notifications page."""

from __future__ import annotations

from wtforms import IntegerField, PasswordField, StringField
from wtforms.validators import InputRequired, Optional
from wtforms.widgets import TextInput

from ..jobs import all_jobs
from ..models import GLOBAL_EVENTS, NOTIFY_JOB, ChannelKind, NotificationChannel, NotifiedEvent
from ..translation.i18n import lazy_gettext, zone_name
from ..web.choice_field import ChoiceField
from ..web.layout import PageForm

KINDS = {
    ChannelKind.APPRISE.value: lazy_gettext("Apprise: mail, Slack, Teams, PagerDuty and others"),
    ChannelKind.WEBHOOK.value: lazy_gettext("Webhook, signed"),
}
EVENTS = {
    NotifiedEvent.FAILED.value: lazy_gettext("A run failed"),
    NotifiedEvent.FIRST_FAILURE.value: lazy_gettext("A run failed after a success"),
    NotifiedEvent.FAILED_IN_A_ROW.value: lazy_gettext("Several runs failed in a row"),
    NotifiedEvent.RECOVERED.value: lazy_gettext("A run succeeded after a failure"),
    NotifiedEvent.LATE.value: lazy_gettext("A run is late or was missed"),
    NotifiedEvent.SLOW.value: lazy_gettext("A run takes longer than expected"),
    NotifiedEvent.PAUSED.value: lazy_gettext("A task was paused after failures"),
    NotifiedEvent.RESUMED.value: lazy_gettext("A person's pause is over"),
    NotifiedEvent.NO_CONSUMER.value: lazy_gettext("A queue has no consumer"),
    NotifiedEvent.SILENT.value: lazy_gettext("Beat or the launcher is silent"),
}
_NUMERIC = {"autocomplete": "off", "inputmode": "numeric", "maxlength": 9}
_TEXT = {"autocomplete": "off", "maxlength": 2000}


class ChannelForm(PageForm):
    """A channel; secrets are never sent back."""

    name = StringField(lazy_gettext("Name"), render_kw={"autocomplete": "off", "maxlength": 100})
    kind = ChoiceField(lazy_gettext("Kind"), options=KINDS, default=ChannelKind.APPRISE.value)
    address = PasswordField(
        lazy_gettext("Address"),
        description=lazy_gettext(
            "Such as mailtos://user:password@example.com or https://example.com/hook. Stored encrypted, never shown again."
        ),
        render_kw=_TEXT,
    )
    signing_key = PasswordField(
        lazy_gettext("Signing key"),
        description=lazy_gettext(
            "Only for a webhook: whsec_… of the receiver. Without one, a new one is shown once."
        ),
        render_kw=_TEXT,
    )
    gather_seconds = IntegerField(
        lazy_gettext("Gather for seconds"),
        widget=TextInput(),
        render_kw=_NUMERIC,
        default=60,
        validators=[InputRequired(lazy_gettext("Enter a whole number."))],
        description=lazy_gettext("Events within this time are one message."),
    )
    quiet_from = StringField(
        lazy_gettext("Quiet from"), description=lazy_gettext("Such as 22:00; empty for never.")
    )
    quiet_until = StringField(lazy_gettext("Quiet until"))
    zone = StringField(lazy_gettext("Time zone"), default=zone_name)


class TaskRuleForm(PageForm):
    """A new rule for a task."""

    channel = ChoiceField(lazy_gettext("Channel"), options={})
    event = ChoiceField(
        lazy_gettext("Event"),
        options={event: label for event, label in EVENTS.items() if event not in GLOBAL_EVENTS},
        default="failed",
    )
    number = IntegerField(
        lazy_gettext("Number"),
        widget=TextInput(),
        render_kw=_NUMERIC,
        validators=[Optional()],
        description=lazy_gettext("Failures in a row, or seconds; empty for the default."),
    )

    def offer(self, channels: list[NotificationChannel]) -> None:
        """Set the channels to choose from."""
        self.channel.options = {str(one.id): one.name for one in channels}


class RuleForm(TaskRuleForm):
    """A new rule for all tasks, a job's tasks or one task."""

    event = ChoiceField(lazy_gettext("Event"), options=EVENTS, default="failed")
    job = ChoiceField(lazy_gettext("Job"), options={}, default="")
    task = StringField(
        lazy_gettext("Task"),
        description=lazy_gettext("Name or number; empty for all tasks."),
        render_kw=_TEXT,
    )

    def offer(self, channels: list[NotificationChannel]) -> None:
        """Set the channels and jobs to choose from."""
        super().offer(channels)
        jobs = sorted(name for name in all_jobs() if name != NOTIFY_JOB)
        self.job.options = {"": lazy_gettext("all jobs"), **{name: name for name in jobs}}
