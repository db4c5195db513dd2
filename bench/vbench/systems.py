"""The systems that are compared, behind one interface.

A system has a name, default_efs, answers(ef), counters(ef) and
time(ef, clients, seconds, seed).  Those of SQL are timed by pgbench with prepared
statements, those in memory by a loop of single queries in this process.
"""
import concurrent.futures
import ctypes
import glob
import json
import os
import re
import subprocess
import tempfile
import time

import numpy as np

from server import PORT, BenchError, as_options, check_settings
from sets import K

HERE = os.path.dirname(os.path.abspath(__file__))
ADD_BLOCK = 10_000

# What a search must not depend on: the planner's choice, or one of its moods.
SESSION = {"plan_cache_mode": "force_generic_plan", "jit": "off",
           "max_parallel_workers_per_gather": "0"}


def timing(microseconds, qps):
    """One measurement as kept in the results."""
    p50, p95, p99 = (float(v) for v in np.percentile(microseconds, [50, 95, 99]))
    return {"qps": qps, "queries": len(microseconds),
            "p50_us": p50, "p95_us": p95, "p99_us": p99}


def pgbench(server, database, script, options, clients, seconds, seed):
    """Runs a script for some seconds; returns a timing."""
    return _pgbench(server, database, script, options,
                    ["-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds),
                     f"--random-seed={seed}"])


def pgbench_transactions(server, database, script, options, count, variables):
    """Runs a script a number of times, by one client; returns a timing."""
    return _pgbench(server, database, script, options,
                    ["-t", str(count), "--random-seed=1", *(f"-D{name}={value}"
                                         for name, value in variables.items())])


def pgbench_log(server, database, scripts, options, seconds):
    """Runs scripts side by side, by the number of clients that each is given;
    returns when the first one's transactions ended (seconds since 1970) and how long
    they took (microseconds)."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [(f"{folder}/log{number}", script, clients)
                for number, (script, clients) in enumerate(scripts.items())]
        with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
            list(pool.map(lambda run: _run_pgbench(
                server, database, run[1], options,
                ["-c", str(run[2]), "-T", str(seconds), "--random-seed=1"], run[0]), runs))
        log = _read_log(runs[0][0])
    return log[:, 4] + log[:, 5] / 1e6, log[:, 2]


def _pgbench(server, database, script, options, arguments):
    with tempfile.TemporaryDirectory() as folder:
        tps = _run_pgbench(server, database, script, options, arguments, f"{folder}/log")
        return timing(_read_log(f"{folder}/log")[:, 2], tps)


def _run_pgbench(server, database, script, options, arguments, log):
    """Runs pgbench, which logs to files LOG.*; returns transactions a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as f:
        f.write(script)
        f.flush()
        done = subprocess.run(
            ["pgbench", "-n", "-M", "prepared", *arguments, "-f", f.name,
             "-l", f"--log-prefix={log}",
             "-h", server.socket, "-p", str(PORT), "-U", "postgres", database],
            env={**os.environ, "PGOPTIONS": as_options(options)}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.M)
    if done.returncode != 0 or not found:
        raise BenchError(f"pgbench failed:\n{done.stdout[-2000:]}")
    return float(found.group(1))


def _read_log(prefix):
    """pgbench's log: client, transaction, microseconds, script, and the time of its
    end in seconds and microseconds."""
    words = []
    for path in glob.glob(f"{prefix}.*"):
        with open(path) as f:
            words += f.read().split()
    return np.array(words, float).reshape(-1, 6)


class Floor:
    """A statement that no index can beat, in the place of a search."""

    def __init__(self, name, server, database, script, **settings):
        self.name, self.server, self.database = name, server, database
        self.script, self.settings = script, {**SESSION, **settings}

    def time(self, _ef, clients, seconds, seed):
        return pgbench(self.server, self.database, self.script, self.settings, clients,
                       seconds, seed)


def floors(server, database, rows):
    """A round trip, and K rows by primary key: from the table, as a search must
    read them, and from the key's index alone."""
    names = [f"i{i}" for i in range(K)]
    sets = "".join(f"\\set {name} random(0, {rows - 1})\n" for name in names)
    keys = ", ".join(":" + name for name in names)
    lookup = f"{sets}SELECT id FROM items WHERE id = ANY (ARRAY[{keys}]::int[]);\n"
    return [Floor("select-1", server, database, "SELECT 1;\n"),
            Floor("primary-key-10", server, database, lookup, enable_indexonlyscan="off"),
            Floor("primary-key-10-index-only", server, database, lookup)]


class SqlSystem:
    """A search by an index (or, with index None, by a sequential scan)."""

    clients = True

    def __init__(self, name, server, extension, data, index, table="items"):
        self.name, self.server, self.extension, self.data = name, server, extension, data
        self.index, self.table = index, table
        self.default_efs = extension.efs

    def connect(self, ef=None):
        return self.server.connect(self.extension.database, self.session(ef))

    def session(self, ef=None):
        """The settings of every session that searches."""
        settings = dict(SESSION)
        settings["enable_seqscan" if self.index else "enable_indexscan"] = "off"
        if ef is not None:
            settings[self.extension.ef_setting] = ef
        return settings

    def statement(self, query):
        return (f"SELECT id FROM {self.table} ORDER BY embedding "
                f"{self.data.operator} {query} LIMIT {K}")

    def stored_query(self, key):
        """A query vector by its number; its cost is part of every timing."""
        return f"(SELECT q FROM queries WHERE id = {key})"

    def choose_index(self):
        """Leaves the planner this index alone, where a column has several."""
        cursor = self.server.connect(self.extension.database)
        cursor.execute(
            "UPDATE pg_index i SET indisvalid = (c.relname = %s) FROM pg_class c "
            "WHERE c.oid = i.indexrelid AND i.indrelid = %s::regclass AND NOT "
            "i.indisprimary AND i.indisvalid <> (c.relname = %s)",
            (self.index, self.table, self.index))
        cursor.connection.close()

    def searcher(self, ef=None, by_number=True):
        """A cursor with the prepared statement "search", its plan verified: the
        parameter is a query's number, or its vector."""
        if self.index:
            self.choose_index()
        cursor = self.connect(ef)
        query, kind, example = ((self.stored_query("$1"), "int", "0") if by_number
                                else ("$1", "vector", "NULL"))
        cursor.execute(f"PREPARE search ({kind}) AS {self.statement(query)}")
        cursor.execute(f"EXPLAIN (COSTS off) EXECUTE search ({example})")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        wanted = (f"Index Scan using {self.index} on {self.table}" if self.index
                  else f"Seq Scan on {self.table}")
        if wanted not in plan:
            raise BenchError(f"{self.name}: expected \"{wanted}\" in the plan:\n{plan}")
        # After the plan, which loads the library that the setting belongs to.
        check_settings(cursor, self.session(ef))
        return cursor

    def answers(self, ef=None):
        """The ids found for every query, in order."""
        cursor = self.searcher(ef)
        found = []
        for number in range(len(self.data.queries)):
            cursor.execute(f"EXECUTE search ({number})")
            found.append([row[0] for row in cursor.fetchall()])
        cursor.connection.close()
        return found

    def counters(self, ef=None):
        """Means per query of what all queries cost in pages, rows and WAL."""
        cursor = self.searcher(ef)
        before = self._statistics(cursor)
        totals = np.zeros(2)
        for number in range(len(self.data.queries)):
            cursor.execute("EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING off, FORMAT json) "
                           f"EXECUTE search ({number})")
            totals += _index_scan_costs(cursor.fetchone()[0][0]["Plan"])
        after = self._statistics(cursor)
        cursor.connection.close()
        count = len(self.data.queries)
        means = {name: (after[name] - before[name]) / count for name in after}
        # The index's own, by what the whole node touched less the table's share:
        # pg_statio does not see a page that a backend finds without the mapping
        # table (ReadRecentBuffer).
        index_pages = totals[0] / count - means["table_pages"]
        return {"index_pages": max(index_pages, means["index_pages_statio"]),
                **means, "wal_bytes": totals[1] / count}

    def _statistics(self, cursor):
        """Cumulative counts of the table and the index, this session's included."""
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT t.heap_blks_read + t.heap_blks_hit "
            "+ coalesce(t.toast_blks_read + t.toast_blks_hit, 0) "
            "+ coalesce(t.tidx_blks_read + t.tidx_blks_hit, 0), "
            "i.idx_blks_read + i.idx_blks_hit, s.idx_tup_fetch "
            "FROM pg_statio_user_tables t JOIN pg_statio_user_indexes i USING (relid) "
            "JOIN pg_stat_user_indexes s USING (indexrelid) "
            "WHERE t.relname = %s AND i.indexrelname = %s", (self.table, self.index))
        names = ("table_pages", "index_pages_statio", "heap_rows")
        return dict(zip(names, map(int, cursor.fetchone())))

    def time(self, ef, clients, seconds, seed):
        if self.index:
            self.choose_index()
        script = (f"\\set i random(0, {len(self.data.queries) - 1})\n"
                  f"{self.statement(self.stored_query(':i'))};\n")
        return pgbench(self.server, self.extension.database, script,
                       self.session(ef), clients, seconds, seed)


def _index_scan_costs(plan):
    """Pages touched and WAL bytes written by the index scan below a LIMIT,
    without those of reading the query vector."""
    def pages(node):
        return node["Shared Hit Blocks"] + node["Shared Read Blocks"]

    scan, query = 0, 0
    for node in plan["Plans"]:
        if node["Parent Relationship"] == "InitPlan":
            query = pages(node)
        elif node["Node Type"] == "Index Scan":
            scan = pages(node)
    return np.array([scan - query, plan["WAL Bytes"]])


class MemorySystem:
    """A library's graph in this process, asked one query at a time by one thread.

    Subclasses give add(rows, first), save, load and search(query, ef).
    """

    clients = False
    default_efs = (10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 400, 800)

    def __init__(self, name, data, m, ef_construction):
        self.name, self.data = name, data
        self.m, self.ef_construction = m, ef_construction
        self.normalised = data.metric == "cosine"
        self.queries = self.prepared(data.queries)

    def prepared(self, rows):
        """float4, of unit length for cosine."""
        rows = np.ascontiguousarray(rows, np.float32)
        if self.normalised:
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
            rows = rows / np.where(norms == 0, 1, norms)
        return rows

    def prepare(self, folder, rebuild):
        """Loads the graph from folder, or builds and saves it; returns facts."""
        path = os.path.join(folder, self.name + ".index")
        wanted = {"rows": self.data.rows, "m": self.m,
                  "ef_construction": self.ef_construction}
        facts = None
        if not rebuild and os.path.exists(path + ".json"):
            with open(path + ".json") as f:
                facts = json.load(f)
        if facts and all(facts[name] == value for name, value in wanted.items()):
            self.load(path)
            return facts
        facts = {**wanted, "seconds": self._build()}
        self.save(path)
        facts["index_bytes"] = os.path.getsize(path)
        with open(path + ".json", "w") as f:
            json.dump(facts, f)
        return facts

    def _build(self):
        """Adds all rows; returns seconds."""
        self.create()
        start = time.perf_counter()
        for first in range(0, self.data.rows, ADD_BLOCK):
            self.add(self.prepared(self.data.base[first:first + ADD_BLOCK]), first)
        return time.perf_counter() - start

    def answers(self, ef):
        return [list(map(int, self.search(query, ef))) for query in self.queries]

    def counters(self, _ef):
        return {}

    def time(self, ef, _clients, seconds, seed):
        order = np.random.default_rng(seed).integers(len(self.queries), size=100_000)
        spans = []
        start = now = time.perf_counter()
        for number in order:
            self.search(self.queries[number], ef)
            before, now = now, time.perf_counter()
            spans.append(now - before)
            if now - start >= seconds:
                break
        return timing(np.array(spans) * 1e6, len(spans) / (now - start))


class Hnswlib(MemorySystem):
    """hnswlib through bench/hnswlib.cpp."""

    def __init__(self, data, m, ef_construction, folder):
        super().__init__("hnswlib", data, m, ef_construction)
        self.library = _compile_hnswlib(folder)
        self.space = (data.dimensions, int(data.metric != "l2"))
        self.graph = None
        self.labels = (ctypes.c_int64 * K)()

    def version(self):
        return "Debian's libhnswlib-dev, g++ -O3 -march=native, " + \
            self.library.graph_simd().decode()

    def create(self):
        self.graph = self.library.graph_new(*self.space, self.data.rows, self.m,
                                            self.ef_construction)

    def add(self, rows, first):
        self.library.graph_add(self.graph, rows.ctypes.data, *rows.shape, first)

    def save(self, path):
        self.library.graph_save(self.graph, path.encode())

    def load(self, path):
        self.graph = self.library.graph_load(*self.space, path.encode())

    def search(self, query, ef):
        found = self.library.graph_search(self.graph, query.ctypes.data, K, ef,
                                          self.labels)
        return self.labels[:found]


def _compile_hnswlib(folder):
    """Builds and loads bench/hnswlib.cpp."""
    path = os.path.join(folder, "hnswlib.so")
    subprocess.run(["g++", "-O3", "-march=native", "-shared", "-fPIC", "-o", path,
                    os.path.join(HERE, "..", "hnswlib.cpp")], check=True)
    library = ctypes.CDLL(path)
    number, size, pointer = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
    for name, result, arguments in (
            ("graph_simd", ctypes.c_char_p, []),
            ("graph_new", pointer, [number, number, size, size, size]),
            ("graph_load", pointer, [number, number, ctypes.c_char_p]),
            ("graph_save", None, [pointer, ctypes.c_char_p]),
            ("graph_add", None, [pointer, pointer, size, size, size]),
            ("graph_search", size, [pointer, pointer, size, size, pointer])):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Faiss(MemorySystem):
    """faiss' IndexHNSWFlat from Debian's package."""

    def __init__(self, data, m, ef_construction, _folder):
        super().__init__("faiss", data, m, ef_construction)
        import faiss  # only where it is compared
        faiss.omp_set_num_threads(1)
        self.faiss, self.graph = faiss, None

    def version(self):
        return f"Debian's faiss {self.faiss.__version__}, " \
            f"{self.faiss.get_compile_options().strip()}"

    def create(self):
        metric = (self.faiss.METRIC_INNER_PRODUCT if self.data.metric == "ip"
                  else self.faiss.METRIC_L2)
        self.graph = self.faiss.IndexHNSWFlat(self.data.dimensions, self.m, metric)
        self.graph.hnsw.efConstruction = self.ef_construction

    def add(self, rows, _first):
        self.graph.add(rows)

    def save(self, path):
        self.faiss.write_index(self.graph, path)

    def load(self, path):
        self.graph = self.faiss.read_index(path)

    def search(self, query, ef):
        self.graph.hnsw.efSearch = ef
        return self.graph.search(query[None, :], K)[1][0]
