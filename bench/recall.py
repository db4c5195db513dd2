#!/usr/bin/python3
"""The part of bench/recall.sh that measures; see bench/README.md."""
import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import time

import numpy as np
import psycopg2

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scripts"))

from vecdata import (METRICS, CopyStream, as_text, distances,  # noqa: E402
                     find_sets, nearest)

K = 10
DEFAULT_EF = {"flat": [None], "auto": [None], "hnsw": [16, 32, 64, 128, 256]}
# A tuple of more than about 2,000 bytes has its vector moved out of line, so
# that a sequential scan pays for fetching it; up to this the copy of the table
# with inline vectors (at most one row fills a page) is worth making.
INLINE_DIMENSIONS = 490, 2000
# Operators compute float4 differences in double, numpy all in double: equal for
# 8-bit data, which has no rounding at all, and this close (relative) otherwise.
TOLERANCE = {"integer": 1e-12, "float": 1e-6}


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="bench/recall.sh", description="recall, speed and size of an index")
    parser.add_argument("--data", default=os.path.join(HERE, "..", "test", "data"),
                        help="folder of sets (default: the sample in test/data)")
    parser.add_argument("--set", action="append", dest="sets", metavar="NAME",
                        help="only this set; may be repeated (default: all)")
    parser.add_argument("--kind", choices=sorted(DEFAULT_EF), default="auto")
    parser.add_argument("--ef", type=lambda v: [positive(e) for e in v.split(",")],
                        help="values of vecam.ef_search, by commas")
    parser.add_argument("--metric", choices=sorted(METRICS),
                        help="instead of the set's own")
    parser.add_argument("--limit-rows", type=positive, metavar="N")
    parser.add_argument("--limit-queries", type=positive, metavar="N")
    parser.add_argument("--scan-queries", type=positive, default=50, metavar="N",
                        help="queries also answered by a sequential scan")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N",
                        help="times every query is run")
    parser.add_argument("--json", action="store_true",
                        help="also write bench/results/DATE-recall.json")
    # Given by bench/recall.sh.
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--host", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--user", help=argparse.SUPPRESS)
    return parser.parse_args()


def choose_sets(args):
    """The sets that were asked for; ends the program when there are none."""
    found = find_sets(args.data)
    unknown = [name for name in args.sets or [] if name not in found]
    if unknown or not found:
        raise SystemExit(f"{args.data} has no set {', '.join(unknown)}; it has: "
                         f"{', '.join(found) or 'none'}")
    chosen = [found[name] for name in args.sets or found]
    for data in chosen:
        if args.metric and args.metric != data.metric:
            data.use_metric(args.metric)
    return chosen


def percentiles(values):
    """Median, 95th and 99th percentile."""
    return [float(v) for v in np.percentile(values, [50, 95, 99])]


class Session:
    """A connection with the search prepared, through the index or not."""

    def __init__(self, connect, table, operator, by_index):
        self.cursor = connect().cursor()
        self.cursor.execute("SET plan_cache_mode = force_generic_plan")
        self.cursor.execute("SET enable_%s = off" %
                            ("seqscan" if by_index else "indexscan"))
        self.cursor.execute(
            f"PREPARE knn (vector) AS SELECT id, embedding {operator} $1 AS d "
            f"FROM {table} ORDER BY embedding {operator} $1 LIMIT {K}")
        self.by_index = by_index

    def check_plan(self, text):
        """Ends the program unless the plan is the one to be measured."""
        self.cursor.execute(f"EXPLAIN (COSTS off) EXECUTE knn ('{text}')")
        plan = "\n".join(row[0] for row in self.cursor.fetchall())
        wanted = "Index Scan using items_embedding" if self.by_index else "Seq Scan"
        if wanted not in plan:
            raise SystemExit(f"expected \"{wanted}\" in the plan:\n{plan}")

    def search(self, text):
        """One query: [(id, distance)] and microseconds at the client."""
        start = time.perf_counter()
        self.cursor.execute(f"EXECUTE knn ('{text}')")
        rows = self.cursor.fetchall()
        return rows, (time.perf_counter() - start) * 1e6

    def last_search(self):
        """What vecam_last_search() says, by column."""
        self.cursor.execute("SELECT * FROM vecam_last_search()")
        names = [column.name for column in self.cursor.description]
        return dict(zip(names, map(float, self.cursor.fetchone())))


class Truth:
    """The exact answers: distances in float64, for every query."""

    def __init__(self, data, base, queries):
        self.metric, self.base, self.queries = data.metric, base, queries
        neighbours = data.truth()
        whole = len(base) == len(data.vectors("base"))
        if neighbours is None or not whole:
            neighbours = nearest(data.metric, base, queries, K)
        self.neighbours = np.asarray(neighbours[:len(queries), :K], np.int64)
        self.distances = np.stack([self.of(i, self.neighbours[i])
                                   for i in range(len(queries))])
        kind = "integer" if base.dtype.kind in "iu" else "float"
        self.tolerance = TOLERANCE[kind]
        if (np.diff(self.distances, axis=1) < -self.slack(0)).any():
            raise SystemExit(f"{data.name}: the ground truth is not in order of "
                             f"the {data.metric} distance")

    def of(self, query, ids):
        """Distances of rows to a query."""
        return distances(self.metric, self.queries[query], self.base[ids])

    def slack(self, query):
        """How far two computations of the border's distance may differ."""
        if self.metric == "cosine":
            return self.tolerance
        if self.metric == "l2":
            return self.tolerance * self.distances[query, -1]
        # An inner product near zero has the rounding of its large terms.
        border = self.base[self.neighbours[query, -1]].astype(np.float64)
        return self.tolerance * (np.linalg.norm(border) *
                                 np.linalg.norm(self.queries[query].astype(np.float64)))

    def recalled(self, query, ids):
        """How many answers are as near as the K-th true neighbour."""
        border = self.distances[query, -1] + self.slack(query)
        return int((self.of(query, ids) <= border).sum())

    def differs(self, query, rows):
        """Whether an answer is not the exact one: its distances are not the
        true ones, in order, or a row nearer than the border is missing."""
        slack = self.slack(query)
        given = np.array([d for _, d in rows])
        if len(given) != self.distances.shape[1]:
            return True
        wrong = (np.abs(given - self.distances[query]) > slack).any()
        wrong |= (np.abs(self.of(query, [i for i, _ in rows]) - given) > slack).any()
        wrong |= (np.diff(given) < 0).any()
        inside = self.distances[query] < self.distances[query, -1] - slack
        needed = set(self.neighbours[query][inside].tolist())
        return bool(wrong or not needed <= {i for i, _ in rows})


def same_answer(by_index, by_scan):
    """Whether two answers have the same distances, bit for bit, and the same
    rows nearer than the last (which rows tie for the last place is open)."""
    border = by_scan[-1][1]

    def inside(rows):
        return {row for row in rows if row[1] < border}

    return ([d for _, d in by_index] == [d for _, d in by_scan] and
            inside(by_index) == inside(by_scan))


def load(cursor, base):
    """Creates and fills the table items; returns seconds."""
    cursor.execute("DROP TABLE IF EXISTS items, items_inline")
    cursor.execute("CREATE TABLE items (id int PRIMARY KEY, "
                   f"embedding vector({base.shape[1]}))")
    start = time.perf_counter()
    CopyStream(base).copy_into(cursor, "items")
    seconds = time.perf_counter() - start
    cursor.execute("VACUUM (ANALYZE) items")
    cursor.execute("CHECKPOINT")
    return seconds


def load_inline(cursor, base):
    """A copy of the table whose vectors lie in its own pages, for sequential
    scans; returns its name, "items" itself where its vectors do so already."""
    if not INLINE_DIMENSIONS[0] < base.shape[1] <= INLINE_DIMENSIONS[1]:
        return "items"
    cursor.execute("CREATE TABLE items_inline (LIKE items)")
    cursor.execute("ALTER TABLE items_inline ALTER embedding SET STORAGE PLAIN")
    CopyStream(base).copy_into(cursor, "items_inline")
    cursor.execute("VACUUM (ANALYZE) items_inline")
    return "items_inline"


def build_index(cursor, operator_class, kind):
    """Builds the index; returns seconds."""
    start = time.perf_counter()
    cursor.execute("CREATE INDEX items_embedding ON items USING vecam "
                   f"(embedding {operator_class}) WITH (kind = {kind})")
    seconds = time.perf_counter() - start
    cursor.execute("CHECKPOINT")
    return seconds


def planner_chooses(connect, operator, text):
    """Whether the planner takes the index with all its choices open."""
    cursor = connect().cursor()
    cursor.execute(f"EXPLAIN SELECT id FROM items ORDER BY embedding {operator} "
                   f"'{text}' LIMIT {K}")
    return "items_embedding" in "\n".join(row[0] for row in cursor.fetchall())


def measure_searches(session, texts, truth, efs, rounds):
    """All queries at every ef, the efs taking turns in each round.

    Returns a dict of figures for each ef, and the answers of the first.
    """
    samples = {ef: {"server": [], "client": [], "counters": [], "answers": []}
               for ef in efs}
    for turn in range(rounds):
        for ef in efs:
            if ef is not None:
                session.cursor.execute(f"SET vecam.ef_search = {ef}")
            sample = samples[ef]
            for text in texts:
                rows, microseconds = session.search(text)
                counters = session.last_search()
                sample["client"].append(microseconds)
                sample["server"].append(counters["microseconds"])
                if turn == 0:
                    sample["answers"].append(rows)
                    sample["counters"].append(counters)
    results = [figures(ef, samples[ef], truth) for ef in efs]
    return results, samples[efs[0]]["answers"]


def figures(ef, sample, truth):
    """What one ef came to, over all queries."""
    answers = sample["answers"]
    wanted = truth.distances.size
    found = sum(truth.recalled(i, [row[0] for row in rows])
                for i, rows in enumerate(answers) if rows)
    means = {name: statistics.fmean(c[name] for c in sample["counters"])
             for name in sample["counters"][0] if name != "microseconds"}
    return {"ef_search": ef, "recall_at_10": found / wanted,
            "found": found, "wanted": wanted,
            "out_of_order": sum(
                1 for rows in answers
                if any(a[1] > b[1] for a, b in zip(rows, rows[1:]))),
            "mean_per_query": means,
            "server_us": percentiles(sample["server"]),
            "client_us": percentiles(sample["client"])}


def measure_scans(index, scans, texts):
    """Index and sequential scans taking turns, for the first queries.

    scans maps a table's name to (session, number of queries).  Returns client
    medians in microseconds by table, with the index's own under the same
    conditions, and how many answers differ from the index's.
    """
    times = {name: [] for name in ["index", *scans]}
    compared = differences = 0
    for number in range(max(count for _, count in scans.values())):
        by_index, microseconds = index.search(texts[number])
        times["index"].append(microseconds)
        answers = []
        for name, (session, count) in scans.items():
            if number < count:
                by_scan, microseconds = session.search(texts[number])
                times[name].append(microseconds)
                answers.append(by_scan)
        compared += 1
        differences += not all(same_answer(by_index, a) for a in answers)
    return {"median_us": {n: statistics.median(t) for n, t in times.items()},
            "queries": {n: len(t) for n, t in times.items()},
            "compared": compared, "differences": differences}


def scan_sessions(connect, operator, inline, count, texts):
    """Sessions for sequential scans: of the table itself, which may be slow and
    then gets few queries, and of the copy with inline vectors."""
    own = Session(connect, "items", operator, False)
    own.check_plan(texts[0])
    if inline == "items":
        return {"items": (own, count)}
    copy = Session(connect, inline, operator, False)
    return {"items": (own, min(count, 10)), inline: (copy, count)}


def measure_set(connect, data, args):
    """Everything about one set, as a dict."""
    operator, operator_class = METRICS[data.metric]
    base = data.vectors("base", args.limit_rows)
    queries = data.vectors("query", args.limit_queries)
    texts = [as_text(q) for q in queries]
    truth = Truth(data, base, queries)
    cursor = connect().cursor()
    load_seconds = load(cursor, base)
    inline = load_inline(cursor, base)
    build_seconds = build_index(cursor, operator_class, args.kind)
    cursor.execute("SELECT pg_relation_size('items_embedding'), "
                   "pg_table_size('items')")
    index_bytes, table_bytes = cursor.fetchone()

    index = Session(connect, "items", operator, True)
    index.check_plan(texts[0])
    efs = args.ef or DEFAULT_EF[args.kind]
    searches, answers = measure_searches(index, texts, truth, efs, args.rounds)
    scans = measure_scans(
        index, scan_sessions(connect, operator, inline,
                             min(args.scan_queries, len(texts)), texts), texts)
    return {"set": data.name, "metric": data.metric, "kind": args.kind,
            "rows": len(base), "dimensions": base.shape[1],
            "queries": len(texts), "load_seconds": load_seconds,
            "build_seconds": build_seconds,
            "build_rows_per_second": len(base) / build_seconds,
            "index_bytes": index_bytes, "table_bytes": table_bytes,
            "bytes_per_row": index_bytes / len(base),
            "planner_chooses_index": planner_chooses(connect, operator, texts[0]),
            "searches": searches, "scans": scans,
            "differences_from_float64": sum(
                truth.differs(i, rows) for i, rows in enumerate(answers))}


def microseconds(values):
    return " / ".join(f"{v:,.0f}" for v in values)


def report(result):
    """One set's figures for a person."""
    scans = result["scans"]
    print(f"\n{result['set']}: {result['rows']:,} rows x {result['dimensions']}, "
          f"{result['metric']}, {result['queries']:,} queries, "
          f"kind {result['kind']}")
    print(f"  build   {result['build_seconds']:.2f} s, "
          f"{result['build_rows_per_second']:,.0f} rows/s "
          f"(load {result['load_seconds']:.1f} s)")
    print(f"  size    index {result['index_bytes'] / 1e6:,.1f} MB, "
          f"{result['bytes_per_row']:,.0f} bytes a row; "
          f"table {result['table_bytes'] / 1e6:,.1f} MB")
    print("  planner %s the index by itself" %
          ("takes" if result["planner_chooses_index"] else "does NOT take"))
    print("       ef  recall@10  heap rows  rechecks  pages read     server us p50/p95/p99"
          "     client us p50/p95/p99")
    for search in result["searches"]:
        means = search["mean_per_query"]
        print(f"  {search['ef_search'] or '-':>7}  {search['recall_at_10']:9.4f}"
              f"  {means['heap_rows']:9.1f}  {means['heap_rechecks']:8.1f}"
              f"  {means['pages_read']:10.1f}"
              f"  {microseconds(search['server_us']):>24}"
              f"  {microseconds(search['client_us']):>24}")
        if search["out_of_order"]:
            print(f"           {search['out_of_order']} answers out of order")
    for name, median in scans["median_us"].items():
        if name != "index":
            print(f"  sequential scan of {name}: {median:,.0f} us, "
                  f"{median / scans['median_us']['index']:.1f} x the index's "
                  f"{scans['median_us']['index']:,.0f} us "
                  f"(medians of {scans['queries'][name]}, taking turns)")
    print(f"  exact   {result['queries']} queries against float64 arithmetic: "
          f"{result['differences_from_float64']} differ; "
          f"{scans['compared']} against the sequential scan: "
          f"{scans['differences']} differ")


def summary(results):
    """All sets as one Markdown table."""
    print("\n| set | rows | dims | metric | kind | ef | build s | rows/s | "
          "index bytes | bytes/row | recall@10 | heap rows | rechecks | pages | server us "
          "p50/p95/p99 | client us p50 | sequential us |")
    print("|---|--:|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for r in results:
        for s in r["searches"]:
            means = s["mean_per_query"]
            print(f"| {r['set']} | {r['rows']:,} | {r['dimensions']} | "
                  f"{r['metric']} | {r['kind']} | {s['ef_search'] or '-'} | "
                  f"{r['build_seconds']:.2f} | {r['build_rows_per_second']:,.0f} | "
                  f"{r['index_bytes']:,} | {r['bytes_per_row']:,.0f} | "
                  f"{s['recall_at_10']:.4f} | {means['heap_rows']:.1f} | "
                  f"{means['heap_rechecks']:.1f} | {means['pages_read']:,.1f} | "
                  f"{microseconds(s['server_us'])} | "
                  f"{s['client_us'][0]:,.0f} | "
                  f"{r['scans']['median_us']['items']:,.0f} |")


def machine():
    """What the figures depend on besides the data."""
    model = platform.processor()
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}


def server_facts(cursor):
    """Version and settings of the server."""
    cursor.execute("SELECT version(), vecam_simd()")
    version, simd = cursor.fetchone()
    cursor.execute("""SELECT name, current_setting(name) FROM pg_settings
                      WHERE source = 'configuration file' AND name IN
                      ('shared_buffers', 'maintenance_work_mem', 'jit', 'fsync',
                       'max_wal_size', 'max_parallel_workers_per_gather')""")
    return {"version": version, "simd": simd, "settings": dict(cursor.fetchall())}


def write_json(results, cursor):
    folder = os.path.join(HERE, "results")
    os.makedirs(folder, exist_ok=True)
    date = datetime.date.today().isoformat()
    name, number = f"{date}-recall.json", 1
    while os.path.exists(os.path.join(folder, name)):
        number += 1
        name = f"{date}-recall-{number}.json"
    with open(os.path.join(folder, name), "w") as f:
        json.dump({"date": date, "machine": machine(),
                   "server": server_facts(cursor), "results": results}, f, indent=1)
        f.write("\n")
    print(f"\nwritten: bench/results/{name}")


def failures(results):
    """What must not be: a flat index that is not exact, answers out of order."""
    for r in results:
        if r["kind"] == "flat" and (r["differences_from_float64"] or
                                    r["scans"]["differences"]):
            yield f"{r['set']}: kind flat, but not exact"
        if any(s["out_of_order"] for s in r["searches"]):
            yield f"{r['set']}: answers out of order"


def measure(sets, args):
    """All sets on the server that bench/recall.sh started."""
    def connect():
        connection = psycopg2.connect(host=args.host, port=args.port,
                                      user=args.user, dbname="postgres")
        connection.autocommit = True
        return connection

    cursor = connect().cursor()
    cursor.execute("CREATE EXTENSION vecam")
    facts = server_facts(cursor)
    print(f"{facts['version'].split(' (')[0]}, vecam kernels: {facts['simd']}, "
          f"shared_buffers {facts['settings']['shared_buffers']}")
    results = []
    for data in sets:
        results.append(measure_set(connect, data, args))
        report(results[-1])
    summary(results)
    if args.json:
        write_json(results, cursor)
    failed = list(failures(results))
    if failed:
        raise SystemExit("\n".join(failed))


def main():
    args = parse_arguments()
    sets = choose_sets(args)
    if args.check:
        return
    try:
        measure(sets, args)
    except psycopg2.Error as error:
        raise SystemExit(f"the server said: {error}")


if __name__ == "__main__":
    main()
