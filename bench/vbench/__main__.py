#!/usr/bin/python3
"""bench/run.sh after its packages: arguments and the order of the phases."""
import argparse
import datetime
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HERE)
for place in (BENCH, os.path.join(BENCH, "..", "scripts")):
    sys.path.insert(1, os.path.abspath(place))

import psycopg2  # noqa: E402

import builds  # noqa: E402
import common  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
import sets  # noqa: E402
from builds import PGVECTOR, VECAM  # noqa: E402
from common import named, numbers, word_list  # noqa: E402
from recall import machine, positive  # noqa: E402
from server import BenchError, Server  # noqa: E402
from systems import Faiss, Hnswlib, SqlSystem, floors  # noqa: E402

PHASES = ("build", "sweep", "floor", "clients", "cold", "flat", "growth")
DEFAULT_PHASES = "build,sweep,floor,clients,cold,flat"
PEERS = ("pgvector", "hnswlib", "faiss")
MEMORY = {"hnswlib": Hnswlib, "faiss": Faiss}
QUICK = {"limit_rows": 5000, "limit_queries": 100, "rounds": 2, "seconds": 1,
         "cold_rounds": 2, "cold_queries": 50, "flat_queries": 5, "clients": [1, 2, 4]}


def efs(text):
    """NAME=LIST."""
    name, _, values = text.partition("=")
    return name, numbers(values)


def recalls(text):
    return [float(word) for word in text.split(",")]


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="bench/run.sh", description="vecam's search bench; see bench/README.md")
    common.add_set_arguments(parser)
    who = parser.add_argument_group("what searches")
    who.add_argument("--peers", type=word_list(PEERS), default=list(PEERS),
                     metavar="LIST", help="of pgvector, hnswlib, faiss; or none")
    who.add_argument("--vecam", type=named, action="append", metavar="NAME:OPTIONS",
                     help="an index by its WITH (...) options, as vecam-544:"
                          "kind=hnsw,sketch_bits=544; may be repeated (vecam:kind=hnsw)")
    who.add_argument("--m", type=positive, default=16, help="of the peers (16)")
    who.add_argument("--ef-construction", type=positive, default=128,
                     help="of the peers (128)")
    who.add_argument("--ef", type=efs, action="append", default=[], metavar="NAME=LIST",
                     help="a system's values of ef; may be repeated")

    how = parser.add_argument_group("what is measured")
    how.add_argument("--phases", type=word_list(PHASES), metavar="LIST",
                     default=DEFAULT_PHASES.split(","), help=f"of {', '.join(PHASES)}")
    how.add_argument("--targets", type=recalls, default=[0.95, 0.99], metavar="LIST",
                     help="recalls that are compared (0.95,0.99)")
    how.add_argument("--rounds", type=positive, default=5, metavar="N")
    how.add_argument("--seconds", type=positive, default=2, metavar="N",
                     help="of each timing (2)")
    how.add_argument("--clients", type=numbers, default=[1, 2, 4, 16, 64], metavar="LIST")
    how.add_argument("--cold-rounds", type=positive, default=5, metavar="N")
    how.add_argument("--cold-queries", type=positive, default=200, metavar="N")
    how.add_argument("--drop", choices=("caches", "fadvise"), default="caches",
                     help="empty the whole page cache, or only of the server's files")
    how.add_argument("--flat-queries", type=positive, default=20, metavar="N")
    how.add_argument("--growth", type=numbers, metavar="LIST",
                     help="also the first N rows of the set, for each N")
    how.add_argument("--quick", action="store_true", help="a smoke test")

    common.add_place_arguments(parser, ("vecam", *PEERS))
    return complete(parser.parse_args(), parser)


def complete(args, parser):
    """Defaults that depend on others."""
    common.complete(args, parser)
    if args.quick:
        for name, value in QUICK.items():
            if getattr(args, name) == parser.get_default(name):
                setattr(args, name, value)
    args.vecam = args.vecam or [("vecam", "kind=hnsw")]
    args.ef = dict(args.ef)
    if args.growth and "growth" not in args.phases:
        args.phases.append("growth")
    if "growth" in args.phases and not args.growth:
        parser.error("the phase growth needs --growth")
    return args


class Run:
    """One set: its folder, server, systems and results."""

    def __init__(self, source, args, folder):
        self.args, self.folder = args, folder
        self.data = sets.BenchSet(source, args, folder)
        self.server = Server(args.chroot, folder, args.memory)
        self.turn = measure.Turn(args.cpus, args.lock)
        self.systems, self.flat, self.sizes, self.result = [], None, [], {}

    def sql_systems(self):
        return [s for s in self.systems if isinstance(s, SqlSystem)]

    def vecam_system(self, name, table="items"):
        index = f"{table}_{name}".replace("-", "_").replace(" ", "_")
        return SqlSystem(name, self.server, VECAM, self.data, index, table)

    def prepare(self):
        """Everything up to the built indexes, with what they cost."""
        args = self.args
        fresh = not os.path.exists(os.path.join(self.folder, "data"))
        self.server.prepare()
        if fresh or not args.no_build:
            measure.say("building vecam for PostgreSQL 17")
            self.server.install_vecam()
        self.server.start(args.build_cpus)
        self.result = {"format": 1, "date": datetime.date.today().isoformat(),
                       "targets": args.targets, "machine": machine(),
                       "arguments": sys.argv[1:], "set": self.describe_set(),
                       "builds": {}}
        for name, options in args.vecam:
            self.add_sql(self.vecam_system(name), options, "vecam")
        if "pgvector" in args.peers:
            system = SqlSystem("pgvector", self.server, PGVECTOR, self.data,
                               "items_pgvector")
            self.add_sql(system, f"m={args.m},ef_construction={args.ef_construction}",
                         "pgvector")
        if "flat" in args.phases:
            self.add_flat()
        if "growth" in args.phases:
            self.add_growth()
        self.add_memory_systems()
        self.result["versions"] = self.versions()

    def describe_set(self):
        data = self.data
        return {"name": data.name, "metric": data.metric, "rows": data.rows,
                "dimensions": data.dimensions, "queries": len(data.queries)}

    def load(self, extension, table="items", rows=None):
        cursor = self.server.connect(extension.database)
        facts = builds.ensure_table(cursor, table, self.data.base[:rows or self.data.rows],
                                    self.data.name)
        builds.ensure_table(cursor, "queries", self.data.queries, self.data.name)
        return facts

    def add_sql(self, system, options, rebuild_name):
        """Loads a system's table and builds its index, once."""
        first = all(s.extension is not system.extension for s in self.sql_systems())
        builds.prepare_database(self.server, system.extension,
                                first and rebuild_name in self.args.rebuild)
        table = self.load(system.extension)
        facts = builds.ensure_index(self.server, system.extension, self.data,
                                    system.table, system.index, options)
        self.result["builds"][system.name] = {
            **facts, "database": system.extension.database, "rows": self.data.rows,
            "load_seconds": table["seconds"], "table_bytes": table["table_bytes"]}
        self.systems.append(system)

    def add_flat(self):
        self.flat = self.vecam_system("vecam flat")
        self.result["builds"]["vecam flat"] = {
            **builds.ensure_index(self.server, VECAM, self.data, "items",
                                  self.flat.index, "kind=flat"),
            "database": "vecam", "rows": self.data.rows}

    def add_growth(self):
        """The first index's options, on ever more rows of the set."""
        name, options = self.args.vecam[0]
        for rows in sorted(self.args.growth):
            if rows > self.data.rows:
                raise BenchError(f"--growth {rows}: the set has {self.data.rows} rows")
            table = "items" if rows == self.data.rows else f"items_{rows}"
            system = self.vecam_system(name, table)
            self.load(VECAM, table, rows)
            builds.ensure_index(self.server, VECAM, self.data, table, system.index,
                                options)
            self.sizes.append((rows, system))

    def add_memory_systems(self):
        args = self.args
        for name in args.peers:
            if name in MEMORY:
                measure.say(f"{name}: loading or building")
                system = MEMORY[name](self.data, args.m, args.ef_construction, self.folder)
                with measure.pinned(args.build_cpus):
                    facts = system.prepare(self.folder, name in args.rebuild)
                self.result["builds"][name] = {**facts, "database": None}
                self.systems.append(system)

    def versions(self):
        cursor = self.server.connect("vecam")
        cursor.execute("LOAD 'vecam'")
        cursor.execute("SELECT version(), vecam_simd()")
        version, simd = cursor.fetchone()
        found = {"postgresql": version.split(" on ")[0], "vecam_simd": simd,
                 "vecam_library": self.server.vecam_checksum(), **common.source_version()}
        for system in self.systems:
            if system.name in MEMORY:
                found[system.name] = system.version()
        if "pgvector" in self.args.peers:
            cursor = self.server.connect("pgvector")
            cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            found["pgvector"] = cursor.fetchone()[0]
        return found

    def measure(self):
        """The phases that were asked for, in an order that spares restarts."""
        phases, result = self.args.phases, self.result
        self.server.start(self.args.cpus)
        result["settings"] = {
            "server": self.server.running,
            "sessions": {s.name: s.session() for s in self.sql_systems()}}
        if {"sweep", "floor", "clients", "cold"} & set(phases):
            self.measure_curves()
        if "flat" in phases:
            self.measure_flat()
        if "growth" in phases:
            measure.say("growth")
            result["growth"] = measure.growth(self.sizes, self.data, self.args.targets[0],
                                              self.args, self.turn)
        if "clients" in phases:
            measure.say("clients")
            self.server.start()
            result["clients"] = measure.clients(
                self.systems, result["curves"], self.args,
                measure.Turn(None, self.args.lock))
        if "cold" in phases:
            measure.say("cold")
            result["cold"] = measure.cold(self.server, self.sql_systems(),
                                          result["curves"], result["builds"],
                                          self.args, self.turn)

    def measure_curves(self):
        measure.say("recall of each setting, then timings in turns")
        below = floors(self.server, "vecam", self.data.rows)
        self.result["curves"], self.result["floors"] = measure.curves(
            self.systems, below, self.data, self.args, self.turn)

    def measure_flat(self):
        """The exact index against sequential scans with either operator."""
        measure.say("flat")
        scans = [SqlSystem("scan with vecam's operator", self.server, VECAM, self.data,
                           None)]
        if "pgvector" in self.args.peers:
            scans.append(SqlSystem("scan with pgvector's operator", self.server,
                                   PGVECTOR, self.data, None))
        self.result["flat"] = measure.flat(
            [self.flat, *scans], min(self.args.flat_queries, len(self.data.queries)),
            self.turn)


def run_set(source, args):
    name = source.name + (f"-{args.limit_rows}" if args.limit_rows else "")
    start = time.perf_counter()
    with common.bench_folder(args.keep, name) as folder:
        run = Run(source, args, folder)
        measure.say(f"== {run.data.name}: {run.data.rows:,} x {run.data.dimensions}, "
                    f"{run.data.metric}")
        try:
            run.prepare()
            run.measure()
        finally:
            run.server.stop()
    run.result["minutes"] = (time.perf_counter() - start) / 60
    report.write(run.result, args.results)


def main():
    args = parse_arguments()
    try:
        for source in sets.choose(args):
            run_set(source, args)
    except (BenchError, psycopg2.Error) as error:
        raise SystemExit(f"bench/run.sh: {error}") from None


if __name__ == "__main__":
    main()
