"""Flower's settings: https://flower.readthedocs.io/en/latest/config.html

Not on the command line, where every user of the machine could read the password.
"""

import os
from urllib.parse import quote

from taskadmin_site.stack.environment import with_files

_given, _ = with_files(os.environ)
_user, _password = (quote(_given[f"RABBITMQ_{name}"], safe="") for name in ("USERNAME", "PASSWORD"))

port = 5555
basic_auth = [f"{_given['FLOWER_USERNAME']}:{_given['FLOWER_PASSWORD']}"]
# RabbitMQ's management API on the broker's host, for queue lengths.
broker_api = f"http://{_user}:{_password}@{_given['RABBITMQ_HOST'].partition(':')[0]}:15672/api/"
# taskadmin's pages control workers; they check permissions.
read_only = True
# Workers have -E. Flower would tell them to send events every few seconds.
enable_events = False
# Seconds after which offline workers leave the list; each new container is a new worker.
purge_offline_workers = 3600
