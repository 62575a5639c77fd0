"""The Celery application: configuration, queues and beat schedule."""
