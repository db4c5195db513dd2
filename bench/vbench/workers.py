"""Keeps a server's background workers off the CPUs of timings."""
import contextlib
import os
import threading

from measure import cpu_numbers

PAUSE = 0.1
# What a worker is called in the list of processes.
TITLE = b"postgres: vecam sealer "


def moved(server, cpus):
    """While its block runs, workers of the server run on these cpus; None leaves
    them where the server runs."""
    return _Mover(server, cpus) if cpus else contextlib.nullcontext()


class _Mover(threading.Thread):
    """A worker starts where the server runs, so it has to be found and moved.  The
    server lives in a namespace of its own, so it is known by its data folder, in
    which all its processes work."""

    def __init__(self, server, cpus):
        super().__init__(daemon=True)
        self.folder = os.stat(server.data_path(""))
        self.cpus = cpu_numbers(cpus)
        self.ended = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_error):
        self.ended.set()
        self.join()

    def run(self):
        os.sched_setaffinity(threading.get_native_id(), self.cpus)
        while not self.ended.wait(PAUSE):
            for process in filter(str.isdigit, os.listdir("/proc")):
                # It may end at any moment.
                with contextlib.suppress(OSError):
                    if self._is_worker(process):
                        os.sched_setaffinity(int(process), self.cpus)

    def _is_worker(self, process):
        with open(f"/proc/{process}/cmdline", "rb") as f:
            title = f.read()
        return (title.startswith(TITLE)
                and os.path.samestat(os.stat(f"/proc/{process}/cwd"), self.folder))
