"""Queries on a streaming standby while the primary deletes rows and vacuums."""
import collections
import contextlib
import os
import shutil
import subprocess
import threading
import time

import psycopg2

from changing import WORK, Copy
from churn import replace_rows
from measure import say
from server import CHROOT_SCRIPT, PRIVATE_FOLDERS, Server
from sets import K

CLIENTS = 2
# Full page images as in any server that must survive a crash.
PRIMARY = {"max_wal_senders": "5", "full_page_writes": "on"}
PERCENT = 10


class Standby(Server):
    """A standby of another server, with its extensions; in a folder of its own."""

    def __init__(self, primary):
        super().__init__(primary.chroot, os.path.join(primary.folder, "standby"),
                         {"shared_buffers": 0, "maintenance_work_mem": 0})
        self.primary = primary
        self.settings = {**primary.settings, **PRIMARY}

    def _inside(self, *command):
        binds = [f"{self.folder}:/bench", f"{self.primary.socket}:/primary"]
        binds += [f"{self.primary.folder}/{name}:/{place}"
                  for name, place in PRIVATE_FOLDERS.items()]
        return [CHROOT_SCRIPT, self.chroot,
                *(word for bind in binds for word in ("--bind", bind)), "--", *command]

    def copy_primary(self):
        """Takes the files of the primary, which must not run."""
        self.remove()
        os.makedirs(self.folder)
        subprocess.run(["cp", "-a", self.primary.data_path(""), self.primary.socket,
                        self.folder], check=True)
        owner = os.stat(self.data_path(""))
        for name, line in (("standby.signal", ""), ("postgresql.auto.conf",
                           "primary_conninfo = 'host=/primary user=postgres'\n")):
            with open(self.data_path(name), "a") as f:
                f.write(line)
            os.chown(self.data_path(name), owner.st_uid, owner.st_gid)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Client(threading.Thread):
    """Queries without a pause until told to stop."""

    def __init__(self, searcher, server, number, ef):
        super().__init__()
        self.searcher, self.server, self.number, self.ef = searcher, server, number, ef
        self.stopping = threading.Event()
        self.queries, self.short, self.errors = 0, 0, collections.Counter()

    def run(self):
        cursor, count = None, len(self.searcher.data.queries)
        while not self.stopping.is_set():
            try:
                cursor = cursor or self.server.connect(WORK,
                                                       self.searcher.session(self.ef))
                query = self.searcher.stored_query((self.queries + self.number) % count)
                self.queries += 1
                cursor.execute(self.searcher.statement(query))
                self.short += len(cursor.fetchall()) < K
            except psycopg2.Error as error:
                self.errors[str(error).partition("\n")[0]] += 1
                if cursor is not None and cursor.connection.closed:
                    cursor = None


def standby(systems, args, turn):
    """For each system: queries, how many failed, how many had too few rows."""
    return {system.name: _queries_during_vacuum(system, args, turn)
            for system in systems}


def _queries_during_vacuum(system, args, turn):
    primary = system.server
    primary.start(args.cpus, **PRIMARY)
    Copy.fresh(system).close()
    primary.stop()
    replica = Standby(primary)
    try:
        replica.copy_primary()
        primary.start(args.cpus, **PRIMARY)
        replica.start(args.cpus)
        with turn():
            return _churn_and_query(system, replica, args)
    finally:
        replica.stop()
        replica.remove()
        primary.start(args.cpus)


def _churn_and_query(system, replica, args):
    searcher = system.searcher()
    clients = [Client(searcher, replica, 500 * n, args.ef) for n in range(CLIENTS)]
    with contextlib.closing(Copy(system)) as copy:
        for client in clients:
            client.start()
        try:
            rounds = _churn_until(copy, time.monotonic() + args.standby_seconds)
            _wait_for_replay(copy, replica)
        finally:
            for client in clients:
                client.stopping.set()
            for client in clients:
                client.join()
    errors = sum((client.errors for client in clients), collections.Counter())
    found = {"rounds": rounds, "queries": sum(client.queries for client in clients),
             "errors": sum(errors.values()), "short": sum(c.short for c in clients),
             "messages": dict(errors)}
    say(f"  {system.name}: {found}")
    return found


def _churn_until(copy, end):
    """Replaces rows, and so vacuums, again and again; returns how often."""
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        replace_rows(copy, PERCENT, rounds)
        rounds += 1
    return rounds


def _wait_for_replay(copy, replica):
    position = copy.one("SELECT pg_current_wal_lsn()")
    cursor = replica.connect("postgres")
    reached = False
    while not reached:
        time.sleep(0.1)
        cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s", (position,))
        reached = cursor.fetchone()[0]
    cursor.connection.close()
