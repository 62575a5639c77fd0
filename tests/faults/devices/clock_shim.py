"""Shift the wall clock of a process, also while it runs, without changing durations.

libfaketime 0.9.10 can't do this: if it leaves the monotonic clock alone, Python's ``sleep`` fails;
otherwise durations jump, too.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

from ..catalogue import NotHere

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset_seconds;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void load(void) {
    real = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("FAULTS_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return;
    void *map = mmap(0, sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) offset_seconds = map;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && offset_seconds && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset_seconds;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *result) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (result) *result = precise.tv_sec;
    return precise.tv_sec;
}
"""


class ShiftedClock:
    """The clock of processes that are started with its ``environment``."""

    def __init__(self, folder: Path, seconds: int) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise NotHere("there is no C compiler (apt-get install gcc libc6-dev)")
        self._file = folder / "clock"
        self._file.write_bytes(struct.pack("=q", seconds))
        library = folder / "clock.so"
        source = folder / "clock.c"
        source.write_text(_SOURCE)
        done = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NotHere(f"the C compiler doesn't work: {done.stderr.strip()[-300:]}")
        self.environment = {"LD_PRELOAD": str(library), "FAULTS_CLOCK": str(self._file)}

    def set(self, seconds: int) -> None:
        """Set the clock of all processes to the machine's + *seconds*."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", seconds))
