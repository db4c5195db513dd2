#!/usr/bin/python3
"""The part of scripts/demo.sh that talks to the demo's server.

    demo.py run --host DIR --port N --user NAME
    demo.py query --number N --host DIR --port N --user NAME

run creates the database demo, loads the digits of test/data, indexes them,
searches, and compares the index with exact answers and with a sequential scan.
query draws the neighbours of one query of a demo that runs.
"""
import argparse
import os
import statistics
import sys
import threading
import time

import numpy as np
import psycopg2

from vecdata import CopyStream, as_text, distances, find_sets

GREYS = " .:-=+*#%@"
K = 10                      # neighbours asked for and compared
SHOWN = 3                   # neighbours drawn beside a query
SCANNED = 25                # queries also answered by a sequential scan
# The digits stand in the middle of their 28 x 28 frame; the margins cut off
# here hold next to nothing and let four pictures stand side by side.
ROWS, COLUMNS = slice(2, 26), slice(3, 25)
WIDTH = COLUMNS.stop - COLUMNS.start
KNN = f"SELECT id FROM digits ORDER BY embedding <-> $1 LIMIT {K}"
TABLES = """
    CREATE EXTENSION vecam;
    CREATE TABLE digits (id int PRIMARY KEY, label int, embedding vector(784));
    CREATE TABLE queries (id int PRIMARY KEY, label int, embedding vector(784));
"""
INDEX = "CREATE INDEX ON digits USING vecam (embedding vector_l2_ops)"


def step(name, text):
    """One line of the report, as scripts/demo.sh prints its own."""
    print(f"  {name:<12} {text}", flush=True)


def megabytes(size):
    return f"{size / 1e6:.1f} MB"


def draw(pixels):
    """A picture of 784 grey values as lines of WIDTH characters, two rows of
    pixels to a line: a character is about twice as high as wide."""
    grey = np.asarray(pixels, np.float64).reshape(28, 28)[ROWS, COLUMNS]
    grey = (grey[0::2] + grey[1::2]) / 2
    levels = np.minimum(grey * len(GREYS) / 256, len(GREYS) - 1).astype(int)
    return ["".join(GREYS[v] for v in line) for line in levels]


def beside(pictures, captions):
    """Pictures side by side, the first set off by a bar, captions below."""
    drawn = list(zip(*map(draw, pictures)))
    while not "".join(drawn[0]).strip():
        del drawn[0]
    columns = [list(p) + c for p, c in zip(zip(*drawn), captions)]
    for cells in zip(*columns):
        first, *rest = (f"{cell:<{WIDTH}}" for cell in cells)
        print(("  " + " | ".join([first, "  ".join(rest)])).rstrip())
    print(flush=True)


def show_query(cursor, number):
    """Draws query number and its nearest digits, as the server finds them."""
    cursor.execute("SELECT label, embedding::real[] FROM queries WHERE id = %s",
                   (number,))
    row = cursor.fetchone()
    if row is None:
        raise SystemExit(f"there is no query {number}")
    label, pixels = row
    cursor.execute(
        "SELECT id, label, embedding::real[], embedding <-> q.e AS distance "
        "FROM digits, (SELECT %s::vector AS e) q ORDER BY distance LIMIT %s",
        (str(pixels), SHOWN))
    found = cursor.fetchall()
    beside([pixels] + [f[2] for f in found],
           [[f"query {number}", f"a handwritten {label}"]] +
           [[f"row {f[0]}: a {f[1]}", f"distance {f[3]:.1f}"] for f in found])


class ProgressWatcher(threading.Thread):
    """Watches another session's CREATE INDEX from a session of its own."""

    QUERY = """SELECT phase, tuples_done, tuples_total, blocks_done, blocks_total
               FROM pg_stat_progress_create_index
               WHERE relid = 'digits'::regclass"""

    def __init__(self, connect):
        super().__init__()
        self.connection = connect()
        self.stop = threading.Event()
        self.seen = []

    def run(self):
        with self.connection.cursor() as cursor:
            while not self.stop.is_set():
                cursor.execute(self.QUERY)
                row = cursor.fetchone()
                if row and (not self.seen or row[:2] != self.seen[-1][:2]):
                    self.seen.append(row)
                    self.show(row)
                self.stop.wait(0.02)
        self.connection.close()

    @staticmethod
    def show(row):
        """Redraws the bar on a terminal."""
        phase, done, total, blocks_done, blocks_total = row
        if not total:
            done, total = blocks_done, blocks_total
        share = min(1.0, done / total) if total else 0.0
        bar = "#" * int(30 * share)
        if sys.stdout.isatty():
            print(f"\r  {'index':<12} [{bar:<30}] {100 * share:3.0f} %  {phase:<36.36}",
                  end="", flush=True)

    def finish(self):
        """Ends the watch and clears the bar; the phases seen, in order."""
        self.stop.set()
        self.join()
        if sys.stdout.isatty():
            print("\r" + " " * 96 + "\r", end="")
        return list(dict.fromkeys(row[0] for row in self.seen))


def load(cursor, data):
    """Creates and fills the tables."""
    cursor.execute(TABLES)
    start = time.perf_counter()
    base = data.vectors("base")
    CopyStream(base, data.labels("base")).copy_into(cursor, "digits")
    CopyStream(data.vectors("query"), data.labels("query")).copy_into(cursor, "queries")
    cursor.execute("VACUUM ANALYZE digits")
    cursor.execute("ANALYZE queries")
    seconds = time.perf_counter() - start
    step("load", f"{len(base):,} digits of 28 x 28 grey values = vector(784), "
         f"{seconds:.1f} s by COPY")


def build_index(cursor, connect):
    step("sql", INDEX + ";")
    watcher = ProgressWatcher(connect)
    watcher.start()
    start = time.perf_counter()
    try:
        cursor.execute(INDEX)
    finally:
        phases = watcher.finish()
    seconds = time.perf_counter() - start
    step("index", f"built in {seconds:.2f} s")
    for phase in phases:
        step("", f"pg_stat_progress_create_index said: {phase}")


def timed_ids(cursor, text):
    """The prepared search for one query: row numbers and milliseconds."""
    start = time.perf_counter()
    cursor.execute(f"EXECUTE knn ('{text}')")
    ids = [row[0] for row in cursor.fetchall()]
    return ids, (time.perf_counter() - start) * 1e3


def plan_of(cursor, text):
    cursor.execute(f"EXPLAIN (COSTS off) EXECUTE knn ('{text}')")
    return "\n".join(row[0] for row in cursor.fetchall())


def prepared(connection, index):
    """A cursor with the search prepared, through the index or without it."""
    cursor = connection.cursor()
    cursor.execute("SET plan_cache_mode = force_generic_plan")
    cursor.execute("SET enable_%s = off" % ("seqscan" if index else "indexscan"))
    cursor.execute(f"PREPARE knn (vector) AS {KNN}")
    return cursor


def measure(connect, data):
    """Runs all queries: prints recall, latency and what 1 neighbour tells."""
    base, queries = data.vectors("base"), data.vectors("query")
    truth = data.truth()
    labels, wanted = data.labels("base"), data.labels("query")
    texts = [as_text(q) for q in queries]
    by_index, by_scan = prepared(connect(), True), prepared(connect(), False)
    plan = plan_of(by_index, texts[0])
    if "Index Scan" not in plan or "Index Scan" in plan_of(by_scan, texts[0]):
        raise SystemExit(f"not the plans to compare:\n{plan}")

    found = right = 0
    index_ms, scan_ms = [], []
    for number, text in enumerate(texts):
        ids, milliseconds = timed_ids(by_index, text)
        index_ms.append(milliseconds)
        border = distances("l2", queries[number], base[truth[number, K - 1]][None])[0]
        found += (distances("l2", queries[number], base[ids]) <= border).sum()
        right += labels[ids[0]] == wanted[number]
        if number < SCANNED:
            scan_ms.append(timed_ids(by_scan, text)[1])
    index, scan = statistics.median(index_ms), statistics.median(scan_ms)
    step("recall@10", f"{found / (K * len(texts)):.4f} of the true neighbours of "
         f"{len(texts)} queries ({found} of {K * len(texts)})")
    step("reading", f"{100 * right / len(texts):.1f} % of the queries have the digit "
         "of their nearest neighbour")
    step("latency", f"{index:.2f} ms by the index, {scan:.1f} ms by a sequential scan: "
         f"{scan / index:.0f} times faster (medians)")


def show_sizes(cursor):
    cursor.execute("""SELECT pg_relation_size(indexrelid), pg_table_size(indrelid)
                      FROM pg_index JOIN pg_class c ON c.oid = indexrelid
                      JOIN pg_am a ON a.oid = c.relam
                      WHERE indrelid = 'digits'::regclass AND amname = 'vecam'""")
    index, table = cursor.fetchone()
    step("size", f"index {megabytes(index)}, table {megabytes(table)}")


def run(connect, data):
    with connect("postgres").cursor() as cursor:
        cursor.execute("CREATE DATABASE demo")
    cursor = connect().cursor()
    load(cursor, data)
    build_index(cursor, connect)
    print("\n  A query, and the digits nearest to it:\n")
    for number in (0, 1, 2):
        show_query(cursor, number)
    measure(connect, data)
    show_sizes(cursor)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="see scripts/demo.sh")
    parser.add_argument("command", choices=("run", "query"))
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    args = parser.parse_args()

    def connect(database="demo"):
        connection = psycopg2.connect(host=args.host, port=args.port,
                                      user=args.user, dbname=database)
        connection.autocommit = True
        return connection

    if args.command == "run":
        run(connect, find_sets(os.path.join(here, "..", "test", "data"))["mnist-10k"])
    else:
        show_query(connect().cursor(), args.number)


if __name__ == "__main__":
    main()
