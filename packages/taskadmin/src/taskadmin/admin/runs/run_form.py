"""The form that starts a run with other arguments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from flask import request
from flask.typing import ResponseReturnValue

from ... import service
from ...errors import InvalidArguments, UnknownTask
from ...jobs import all_jobs
from ...models import Task
from ...translation.texts import gettext
from ...web.actor import current_actor
from ..arguments.form import ArgumentsForm
from ..flask_admin.forms import ConfirmedForm
from .notices import Notice, notice_of, show_notice, tasks_are_gone


def run_with_arguments(
    render: Callable[..., str],
    task: Task,
    *,
    stored: Mapping[str, object],
    masked: Collection[str],
    back: str,
    back_label: str,
) -> ResponseReturnValue:
    """Show the form for a run with other arguments, and start the run when it is sent.

    The task's job must be registered.

    Args:
        stored: The arguments that the form begins with.
        masked: Names of those that are never shown.
    """
    job = all_jobs()[task.job]
    is_sent = request.method == "POST"
    form = ArgumentsForm(
        job, stored=stored, masked=tuple(masked), typed=request.form if is_sent else None
    )
    token = ConfirmedForm()
    if is_sent and token.validate_on_submit() and form.validate():
        return show_notice(_start_with(form, task.id), back)
    if not is_sent:
        form.check_stored()
    page = render(
        "taskadmin/runs/arguments.html",
        form=form,
        token=token,
        job=job,
        task=task,
        back=back,
        back_label=back_label,
    )
    return page, 422 if is_sent else 200


def _start_with(form: ArgumentsForm, task_id: int) -> Notice:
    try:
        started = service.start_task(
            task_id,
            arguments=form.values,
            masked=form.masked,
            actor=current_actor(),
            request_key=request.form.get("request_key"),
        )
    except UnknownTask:  # deleted since the page was loaded
        return Notice(tasks_are_gone(), "danger")
    except InvalidArguments as error:  # a job may compare them with the time
        return Notice(gettext("No run was started; %(why)s", why=error), "danger")
    return notice_of(started, gone=tasks_are_gone())
