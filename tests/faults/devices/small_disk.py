"""A disk of a few megabytes that can be filled completely."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..catalogue import NotHere


class SmallDisk:
    """A tmpfs mounted on an empty folder; requires root."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir()
        # Owner and mode of the parent folder, because PostgreSQL runs as another user.
        above = folder.parent.stat()
        options = f"size={megabytes}m,uid={above.st_uid},gid={above.st_gid},mode=700"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "taskadmin-faults", folder],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NotHere(f"no small disk can be mounted: {done.stderr.strip()}")

    def fill(self) -> None:
        """Fill the disk completely."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def empty(self) -> None:
        """Free the space again."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount the disk lazily; open files stay usable."""
        subprocess.run(["umount", "-l", self.folder], check=True, capture_output=True)
        self.folder.rmdir()
