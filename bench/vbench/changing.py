"""Indexes under change: inserts, COPY and updates.

A table and its index are built once; each measurement changes a copy of that
database, which the server makes by copying files, so that all start from the same
state.  The same is done to the table without its vector index ("none"): what the
table itself costs.
"""
import contextlib
import dataclasses
import time

import builds
from measure import say
from server import BenchError
from systems import SqlSystem, pgbench_transactions

# The database that a measurement changes.
WORK = "work"
# Nobody waits for the disk at a commit.
SESSION = {"synchronous_commit": "off"}
# Searches that go on until there is nothing left to find.
ENDLESS = {"vecam": {"vecam.scan_order": "relaxed", "vecam.max_scan_tuples": -1,
                     "vecam.scan_mem": "1GB"},
           "hnsw": {"hnsw.iterative_scan": "relaxed_order",
                    "hnsw.max_scan_tuples": 2**31 - 1,
                    "hnsw.scan_mem_multiplier": 1000, "work_mem": "64MB"}}
# Counted rows: sealing by a worker would touch pages that no statement shows.
COUNTED = {**SESSION, "vecam.seal_workers": 0}


class ChangingSystem:
    """An extension's table and index."""

    def __init__(self, name, server, extension, data, incoming):
        self.name, self.server, self.data, self.incoming = name, server, data, incoming
        self.index = f"items_{name}".replace("-", "_")
        self.built = dataclasses.replace(extension, database=f"built_{self.index}")
        self.work = dataclasses.replace(extension, database=WORK)
        self.is_vecam = extension.method == "vecam"
        self.endless = ENDLESS[extension.method]

    def build(self, options, rebuild):
        """Loads the table and builds the index unless they are there; returns facts."""
        builds.prepare_database(self.server, self.built, rebuild)
        cursor = self.server.connect(self.built.database)
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        source = self.data.name
        builds.ensure_table(cursor, "items", self.data.base, source)
        builds.ensure_table(cursor, "queries", self.data.queries, source)
        builds.ensure_table(cursor, "incoming", self.incoming, source)
        facts = builds.ensure_index(self.server, self.built, self.data, "items",
                                    self.index, options)
        cursor.connection.close()
        return {**facts, "rows": self.data.rows}

    def versions(self):
        cursor = self.server.connect(self.built.database)
        cursor.execute("SELECT version(), extversion FROM pg_extension "
                       "WHERE extname = %s", (self.built.name,))
        version, extension_version = cursor.fetchone()
        found = {"postgresql": version.split(" on ")[0]}
        if self.is_vecam:
            cursor.execute("LOAD 'vecam'; SELECT vecam_simd(), "
                           "current_setting('vecam.seal_workers', true)")
            found["vecam_simd"], found["seal_workers"] = cursor.fetchone()
        else:
            found["pgvector"] = extension_version
        return found

    def searcher(self):
        """Searches of the copy."""
        return SqlSystem(self.name, self.server, self.work, self.data, self.index)


class Copy:
    """A copy of a system's database, for a measurement to change."""

    def __init__(self, system, session=None, indexed=True):
        self.system, self.server, self.indexed = system, system.server, indexed
        self.cursor = self.server.connect(WORK, session or SESSION)

    @classmethod
    def fresh(cls, system, session=None, indexed=True):
        """As it was built, all of it in shared buffers."""
        cursor = system.server.connect("postgres")
        cursor.execute(f"DROP DATABASE IF EXISTS {WORK}")
        cursor.execute(f"CREATE DATABASE {WORK} TEMPLATE {system.built.database} "
                       "STRATEGY file_copy")
        cursor.connection.close()
        copy = cls(system, session, indexed)
        if not indexed:
            copy.cursor.execute(f"DROP INDEX {system.index}")
        copy.warm()
        return copy

    def warm(self):
        """Tables first: where shared buffers are short, the indexes stay."""
        self.cursor.execute("SELECT pg_prewarm(oid) FROM pg_class "
                            "WHERE relkind IN ('r', 't', 'i') AND relpersistence = 'p' "
                            "ORDER BY relkind = 'i', oid")

    def close(self):
        self.cursor.connection.close()

    def one(self, statement, *parameters):
        """The first value that a statement returns."""
        self.cursor.execute(statement, parameters)
        return self.cursor.fetchone()[0]

    def wal_position(self):
        return int(self.one("SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def timed(self, statement):
        """Seconds and WAL bytes of a statement."""
        before, start = self.wal_position(), time.perf_counter()
        self.cursor.execute(statement)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "wal_bytes": self.wal_position() - before}

    def counted(self, statement):
        """Shared buffers that a statement touched."""
        plan = self.one("EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) "
                        + statement)[0]["Plan"]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    @property
    def sealing(self):
        """The statement that links all rows which inserts left for later."""
        if self.system.is_vecam and self.indexed:
            return f"SELECT vecam_seal('{self.system.index}')"
        return "SELECT 0"

    def index_bytes(self):
        return self.one("SELECT pg_relation_size(%s)", self.system.index)


def entries(systems):
    """(name, system, indexed) of each system, and of the first without its index."""
    return [(s.name, s, True) for s in systems] + [("none", systems[0], False)]


def in_rounds(systems, rounds, turn, measurement, session=None):
    """Results of a measurement of fresh copies, by system, in rounds of turns."""
    found = {name: [] for name, _, _ in entries(systems)}
    for number in range(rounds):
        for name, system, indexed in entries(systems):
            with turn(), contextlib.closing(
                    Copy.fresh(system, session, indexed)) as copy:
                found[name].append(measurement(copy))
            say(f"  round {number + 1}, {name}: " + ", ".join(
                f"{key} {value:,.1f}" for key, value in found[name][-1].items()))
    return found


def inserts(systems, args, turn):
    """Single-row transactions: what they write and touch, and how long they take."""
    rows = min(args.insert_rows, len(systems[0].incoming))
    return {"rows": rows,
            "counts": _count_in_turn(systems, rows, turn),
            "counts_with_images": _count_with_images(systems, args, rows, turn),
            "times": in_rounds(systems, args.rounds, turn,
                               lambda copy: _time_inserts(copy, rows))}


def _insertion(copy, number):
    """Inserts the row of that number of those that wait in a table."""
    return (f"INSERT INTO items SELECT {copy.system.data.rows} + id, embedding "
            f"FROM incoming WHERE id = {number}")


def _count_in_turn(systems, rows, turn):
    return in_rounds(systems, 1, turn,
                     lambda copy: _count_inserts(copy, rows), COUNTED)


def _count_with_images(systems, args, rows, turn):
    """What the first rows after a checkpoint write, which CREATE DATABASE makes."""
    server = systems[0].server
    server.start(args.cpus, full_page_writes="on")
    try:
        return _count_in_turn(systems, rows, turn)
    finally:
        server.start(args.cpus)


def _count_inserts(copy, rows):
    """Buffers and WAL bytes a row, the sealing of these rows included."""
    before = copy.wal_position()
    touched = sum(copy.counted(_insertion(copy, number)) for number in range(rows))
    inserted = copy.wal_position()
    sealing = copy.counted(copy.sealing)
    sealed = copy.wal_position()
    return {"wal_bytes": (sealed - before) / rows,
            "wal_bytes_of_inserts": (inserted - before) / rows,
            "buffers": (touched + sealing) / rows, "buffers_of_inserts": touched / rows}


def _time_inserts(copy, rows):
    """Rows a second: of the statements, and until all their rows are sealed."""
    script = f"\\set i :i + 1\n{_insertion(copy, ':i')};\n"
    timing = pgbench_transactions(copy.server, WORK, script, SESSION, rows, {"i": -1})
    sealing = copy.timed(copy.sealing)["seconds"]
    return {"rows_per_second": timing["qps"],
            "rows_per_second_sealed": rows / (rows / timing["qps"] + sealing),
            "p50_us": timing["p50_us"], "p99_us": timing["p99_us"]}


def copies(systems, args, turn):
    """COPY of many rows, by default half as many as the index holds."""
    rows = min(args.copy_rows, len(systems[0].incoming))
    return {"rows": rows, "times": in_rounds(systems, args.rounds, turn,
                                             lambda copy: _time_copy(copy, rows))}


def _time_copy(copy, rows):
    path = "/bench/data/incoming.copy"
    copy.cursor.execute(f"COPY (SELECT {copy.system.data.rows} + id, embedding FROM "
                        f"incoming WHERE id < {rows} ORDER BY id) TO '{path}' "
                        "(FORMAT binary)")
    copying = copy.timed(f"COPY items FROM '{path}' (FORMAT binary)")
    sealing = copy.timed(copy.sealing)
    sealed = copying["seconds"] + sealing["seconds"]
    return {"rows_per_second": rows / copying["seconds"],
            "rows_per_second_sealed": rows / sealed,
            "wal_bytes": (copying["wal_bytes"] + sealing["wal_bytes"]) / rows}


def updates(systems, args, turn):
    """Updates of an indexed column beside the vectors, in full pages: not HOT."""
    return {"rows": args.update_rows,
            "times": in_rounds(systems, args.rounds, turn,
                               lambda copy: _time_updates(copy, args.update_rows))}


def _time_updates(copy, rows):
    copy.cursor.execute("ALTER TABLE items ADD category int NOT NULL DEFAULT 0")
    copy.cursor.execute("CREATE INDEX ON items (category)")
    script = (f"\\set i random(0, {copy.system.data.rows - 1})\n"
              "UPDATE items SET category = category + 1 WHERE id = :i;\n")
    before = copy.wal_position()
    timing = pgbench_transactions(copy.server, WORK, script, SESSION, rows, {})
    sealing = copy.timed(copy.sealing)["seconds"]
    written = copy.wal_position() - before
    if copy.one("SELECT pg_stat_get_tuples_hot_updated('items'::regclass)") > 0:
        raise BenchError("some updates were HOT")
    return {"rows_per_second": timing["qps"],
            "rows_per_second_sealed": rows / (rows / timing["qps"] + sealing),
            "wal_bytes": written / rows}
