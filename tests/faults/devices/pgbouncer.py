"""A PgBouncer between the processes and the database."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from services.servers.postgresql import free_port

from ..catalogue import NotHere
from ..stages.servers import ROLE

_CONFIGURATION = """[databases]
* = host=127.0.0.1 port={target}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
logfile = {folder}/log
pool_mode = transaction
default_pool_size = 8
max_client_conn = 200
server_check_delay = 5
"""


class PgBouncer:
    """Pools transactions to a PostgreSQL on this machine over fewer sessions."""

    def __init__(self, folder: Path, target: int) -> None:
        # Debian's path is only in root's PATH.
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise NotHere("there is no PgBouncer (apt-get install pgbouncer)")
        self.port = free_port()
        self._folder = folder / "pgbouncer"
        self._folder.mkdir()
        configuration = self._folder / "configuration"
        configuration.write_text(
            _CONFIGURATION.format(target=target, port=self.port, folder=self._folder)
        )
        (self._folder / "users").write_text(f'"{ROLE}" ""\n')
        self._command = [program, str(configuration)]
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            nobody = pwd.getpwnam("nobody")
            folder.chmod(0o755)
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.start()

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self._who,
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "output").read_text()
                    raise RuntimeError(f"PgBouncer didn't start: {said[-2000:]}") from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill -9, which ends every session through it."""
        self._process.kill()
        self._process.wait()
