"""Jobs, with the JSON Schema of their arguments."""

from __future__ import annotations

import json
import logging

from pydantic.errors import PydanticInvalidForJsonSchema

from ...jobs import Job, all_jobs
from ..errors import Refused
from ..models.reports import JobOut, Jobs
from ..operations import operation

log = logging.getLogger("taskadmin.api")


@operation("GET", "/jobs", tag="jobs", returns=Jobs)
def list_jobs() -> Jobs:
    """List the registered jobs."""
    return Jobs(items=[_out(job) for _, job in sorted(all_jobs().items())])


@operation("GET", "/jobs/<name>", tag="jobs", returns=JobOut)
def read_job(name: str) -> JobOut:
    """Read a job with the JSON Schema of its arguments."""
    job = all_jobs().get(name)
    if job is None:
        raise Refused(404, "unknown-job", detail="There is no such job.")
    return _out(job)


def _out(job: Job) -> JobOut:
    return JobOut(
        name=job.name,
        description=job.description,
        queue=job.queue,
        arguments=_schema(job),
        masked=sorted(job.masked),
        max_attempts=job.max_attempts,
        backoff_seconds=job.backoff_seconds,
        soft_time_limit_seconds=job.soft_time_limit,
        time_limit_seconds=job.time_limit,
    )


def _schema(job: Job) -> dict[str, object]:
    """Return the schema without the defaults of secrets; ``{}``, which allows all, without one."""
    try:
        schema = job.arguments.model_json_schema()
    except PydanticInvalidForJsonSchema as error:  # such as a validator without a schema
        log.info("The arguments of %s have no JSON Schema: %s", job.name, error)
        return {}
    for name in job.masked & schema.get("properties", {}).keys():
        schema["properties"][name].pop("default", None)
        schema["properties"][name].pop("examples", None)
    found: dict[str, object] = json.loads(json.dumps(schema, default=str))
    return found
