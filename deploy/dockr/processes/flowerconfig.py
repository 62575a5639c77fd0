"""Flower's settings: https://flower.readthedocs.io/en/latest/config.html

Here and not on the command line, where every user of the machine could read the password.
"""

import os
from urllib.parse import quote

_user, _password = os.environ["RABBITMQ_USERNAME"], os.environ["RABBITMQ_PASSWORD"]

port = 5555
basic_auth = [f"{_user}:{_password}"]
# RabbitMQ's management port, for the lengths of the queues. It is on the broker's host.
broker_api = (
    f"http://{quote(_user, safe='')}:{quote(_password, safe='')}"
    f"@{os.environ['RABBITMQ_HOST'].partition(':')[0]}:15672/api/"
)
# Seconds after which a worker that is gone leaves the list: each new container is a new one.
purge_offline_workers = 3600
