#!/usr/bin/python3
"""bench/write.sh after its packages: arguments, systems and the order of the phases."""
import argparse
import datetime
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for place in (os.path.dirname(HERE), os.path.join(HERE, "..", "..", "scripts")):
    sys.path.insert(1, os.path.abspath(place))

import psycopg2  # noqa: E402

import changing  # noqa: E402
import churn  # noqa: E402
import common  # noqa: E402
import maintain  # noqa: E402
import measure  # noqa: E402
import sets  # noqa: E402
import standby  # noqa: E402
import workers  # noqa: E402
import write_report  # noqa: E402
from builds import PGVECTOR, VECAM  # noqa: E402
from changing import ChangingSystem  # noqa: E402
from common import named, word_list  # noqa: E402
from recall import machine, positive  # noqa: E402
from server import BenchError, Server  # noqa: E402

PHASES = {"insert": changing.inserts, "copy": changing.copies, "update": changing.updates,
          "vacuum": churn.vacuum, "churn": churn.churn, "halves": churn.halves,
          "standby": standby.standby, "compact": maintain.compaction,
          "restore": maintain.restore}
# Rows of the built index unless --limit-rows says otherwise.
MOST_ROWS = 100_000
QUICK = {"limit_rows": 4000, "limit_queries": 100, "rounds": 1, "insert_rows": 300,
         "update_rows": 300, "churn_rounds": 2, "half_rounds": 2, "standby_seconds": 5,
         "load_seconds": 5}

# Long after a checkpoint no change of a page logs an image of it.  That state is
# made by leaving the images out.
SERVER = {"full_page_writes": "off", "wal_level": "replica"}


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="bench/write.sh",
        description="vecam's bench of writes and VACUUM; see bench/README.md")
    common.add_set_arguments(parser)
    who = parser.add_argument_group("what is written to")
    who.add_argument("--peers", type=word_list(("pgvector",)), default=["pgvector"],
                     metavar="LIST", help="pgvector, or none")
    who.add_argument("--vecam", type=named, action="append", metavar="NAME:OPTIONS",
                     help="an index by its WITH (...) options; may be repeated "
                          "(vecam:kind=hnsw,ef_construction=128)")
    who.add_argument("--m", type=positive, default=16, help="of pgvector (16)")
    who.add_argument("--ef-construction", type=positive, default=128,
                     help="of pgvector (128)")

    how = parser.add_argument_group("what is measured")
    how.add_argument("--phases", type=word_list(PHASES), metavar="LIST",
                     default=list(PHASES), help=f"of {', '.join(PHASES)}; or none")
    how.add_argument("--rounds", type=positive, default=3, metavar="N",
                     help="of insert, copy, update and vacuum, each from the same state")
    how.add_argument("--insert-rows", type=positive, default=5000, metavar="N",
                     help="rows inserted one by one (5000)")
    how.add_argument("--copy-rows", type=positive, default=50_000, metavar="N",
                     help="rows copied, at most half of the index's (50000)")
    how.add_argument("--update-rows", type=positive, default=5000, metavar="N")
    how.add_argument("--vacuum", type=common.numbers, default=[1, 10, 50],
                     metavar="LIST", help="percentages deleted before VACUUM (1,10,50)")
    how.add_argument("--churn-rounds", type=positive, default=5, metavar="N",
                     help="of deleting 30 %%, VACUUM, inserting them again (5)")
    how.add_argument("--half-rounds", type=positive, default=10, metavar="N",
                     help="of deleting half, VACUUM, inserting it again (10)")
    how.add_argument("--ef", type=positive, default=40, metavar="N",
                     help="of searches, for all systems (40)")
    how.add_argument("--standby-seconds", type=positive, default=60, metavar="N")
    how.add_argument("--load-seconds", type=positive, default=30, metavar="N",
                     help="how long clients run beside a compaction, and without (30)")
    how.add_argument("--quick", action="store_true", help="a smoke test")
    where = common.add_place_arguments(parser, ("vecam", "pgvector"))
    where.add_argument("--worker-cpus", metavar="LIST",
                       help="move vecam's background workers there")
    return complete(parser.parse_args(), parser)


def complete(args, parser):
    """Defaults that depend on others."""
    common.complete(args, parser)
    if args.quick:
        for name, value in QUICK.items():
            if getattr(args, name) == parser.get_default(name):
                setattr(args, name, value)
    args.vecam = args.vecam or [("vecam", "kind=hnsw,ef_construction=128")]
    return args


def choose_rows(source, args):
    """How many of a set's rows the index holds at first: two thirds leave the
    last third for insertion."""
    available = len(source.vectors("base"))
    rows = args.limit_rows or min(MOST_ROWS, available * 2 // 3)
    if rows * 3 // 2 > available:
        raise BenchError(f"{rows} rows leave none to insert: {source.name} has {available}")
    return rows


class Run:
    """One set: its folder, server, systems and results."""

    def __init__(self, source, rows, args, folder):
        self.args, self.folder = args, folder
        limits = argparse.Namespace(limit_rows=rows, limit_queries=args.limit_queries)
        self.data = sets.BenchSet(source, limits, folder)
        self.incoming = source.vectors("base")[rows:rows + rows // 2]
        self.server = Server(args.chroot, folder, args.memory)
        self.server.settings.update(SERVER)
        self.turn = measure.Turn(args.cpus, args.lock)
        self.systems, self.result, self.prefix = [], {}, None

    def prepare(self):
        """Everything up to the built indexes."""
        args, data = self.args, self.data
        fresh = not os.path.exists(os.path.join(self.folder, "data"))
        self.server.prepare()
        if fresh or not args.no_build:
            measure.say("building vecam for PostgreSQL 17")
            self.server.install_vecam()
        self.server.start(args.build_cpus)
        chosen = [(name, VECAM, options, "vecam") for name, options in args.vecam]
        if "pgvector" in args.peers:
            chosen.append(("pgvector", PGVECTOR, f"m={args.m},ef_construction="
                           f"{args.ef_construction}", "pgvector"))
        self.result = {"format": 1, "date": datetime.date.today().isoformat(),
                       "machine": machine(), "cpus": args.cpus,
                       "worker_cpus": args.worker_cpus or args.cpus,
                       "settings": self.server.running, "ef": args.ef,
                       "set": {"name": data.name, "metric": data.metric,
                               "rows": data.rows, "dimensions": data.dimensions,
                               "queries": len(data.queries),
                               "incoming": len(self.incoming)}, "builds": {}}
        for name, extension, options, peer in chosen:
            system = ChangingSystem(name, self.server, extension, data, self.incoming)
            self.result["builds"][name] = system.build(options, peer in args.rebuild)
            self.systems.append(system)
        self.result["versions"] = {
            **self.server_versions(), **common.source_version()}

    def server_versions(self):
        found = {"vecam_library": self.server.vecam_checksum()}
        for system in self.systems:
            found.update(system.versions())
        return found

    def measure(self):
        args, result = self.args, self.result
        self.prefix = write_report.free_prefix(result, args.results)
        self.server.start(args.cpus)
        with workers.moved(self.server, args.worker_cpus):
            for phase, run in PHASES.items():
                if phase in args.phases:
                    measure.say(phase)
                    result[phase] = run(self.systems, args, self.turn)
                    write_report.write(result, self.prefix)


def run_set(source, args):
    rows = choose_rows(source, args)
    start = time.perf_counter()
    with common.bench_folder(args.keep, f"write-{source.name}-{rows}") as folder:
        run = Run(source, rows, args, folder)
        measure.say(f"== {run.data.name}: {run.data.rows:,} x {run.data.dimensions}, "
                    f"{run.data.metric}; {len(run.incoming):,} more to insert")
        try:
            run.prepare()
            run.measure()
        finally:
            run.server.stop()
    run.result["minutes"] = (time.perf_counter() - start) / 60
    write_report.write(run.result, run.prefix)
    print(write_report.markdown(run.result))
    print(f"written: {run.prefix}.json, .md", flush=True)


def main():
    args = parse_arguments()
    try:
        for source in sets.choose(args):
            run_set(source, args)
    except (BenchError, psycopg2.Error) as error:
        raise SystemExit(f"bench/write.sh: {error}") from None


if __name__ == "__main__":
    main()
