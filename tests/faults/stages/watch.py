"""Triggers that log changes to runs in the suite's databases."""

#: Logs changes of a run's state, changes to finished runs, inserts and deletes.
WATCH = """
CREATE SCHEMA watch;
CREATE TABLE watch.log (
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    op text NOT NULL,
    run_id bigint NOT NULL,
    task_id bigint NOT NULL,
    due_at timestamptz NOT NULL,
    before text,
    after text,
    final boolean NOT NULL,
    changed boolean NOT NULL
);
CREATE FUNCTION watch.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO watch.log (op, run_id, task_id, due_at, after, final, changed)
        VALUES (TG_OP, NEW.id, NEW.task_id, NEW.due_at, NEW.state,
                NEW.finished_at IS NOT NULL, false);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO watch.log (op, run_id, task_id, due_at, before, final, changed)
        VALUES (TG_OP, OLD.id, OLD.task_id, OLD.due_at, OLD.state, false, false);
    ELSIF OLD.state <> NEW.state OR OLD.finished_at IS NOT NULL THEN
        INSERT INTO watch.log (op, run_id, task_id, due_at, before, after, final, changed)
        VALUES (TG_OP, NEW.id, NEW.task_id, NEW.due_at, OLD.state, NEW.state,
                NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL,
                OLD.finished_at IS NOT NULL AND OLD IS DISTINCT FROM NEW);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER faults_watch AFTER INSERT OR UPDATE OR DELETE ON public.taskadmin_task_result
FOR EACH ROW EXECUTE FUNCTION watch.note();
"""
