"""Maintenance by vecam's functions: compaction beside clients, and an index built
from its checkpoint."""
import contextlib
import threading
import time

import numpy as np

from changing import SESSION, WORK, Copy
from churn import mark_rows
from measure import recall_of, say
from recall import Truth
from sets import K, Answered
from systems import pgbench_log
from vecdata import nearest

PERCENT = 50
SEARCHERS = 2


class Survivors:
    """Exact answers among the rows that were not deleted."""

    def __init__(self, copy, data):
        copy.cursor.execute("SELECT id FROM items ORDER BY id")
        self.ids = np.array([row[0] for row in copy.cursor.fetchall()])
        base = data.base[self.ids]
        answered = Answered(data.name, data.metric, base,
                            nearest(data.metric, base, data.queries, K))
        self.truth = Truth(answered, base, data.queries)

    def recall(self, answers):
        return recall_of(self.truth, [np.searchsorted(self.ids, ids).tolist()
                                      for ids in answers])


class Load(threading.Thread):
    """Clients that search and one that inserts, by pgbench, which ends the bench
    if one of them fails."""

    def __init__(self, system, args):
        super().__init__()
        searcher = system.searcher()
        self.server, self.seconds = system.server, args.load_seconds
        self.session = {**SESSION, **searcher.session(args.ef)}
        self.scripts = {
            f"\\set i random(0, {len(system.data.queries) - 1})\n"
            f"{searcher.statement(searcher.stored_query(':i'))};\n": SEARCHERS,
            f"\\set i random(0, {len(system.incoming) - 1})\n"
            f"INSERT INTO items SELECT {system.data.rows} + nextval('inserted'), "
            "embedding FROM incoming WHERE id = :i;\n\\sleep 5 ms\n": 1}
        self.error, self.ends, self.microseconds = None, None, None

    def run(self):
        try:
            self.ends, self.microseconds = pgbench_log(
                self.server, WORK, self.scripts, self.session, self.seconds)
        except Exception as error:  # told by the thread that waits
            self.error = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_error):
        self.join()
        if self.error:
            raise self.error

    def latencies(self, start=0.0, end=np.inf):
        """Of the searches that ended between two times of the clock."""
        chosen = self.microseconds[(self.ends >= start) & (self.ends <= end)]
        p50, p99 = (float(v) for v in np.percentile(chosen, [50, 99]))
        return {"searches": len(chosen), "p50_us": p50, "p99_us": p99,
                "longest_us": float(chosen.max())}


def compaction(systems, args, turn):
    """Half of the rows deleted, VACUUM, and a compaction beside clients."""
    return {s.name: _compact_beside_load(s, args, turn) for s in systems if s.is_vecam}


def _compact_beside_load(system, args, turn):
    searcher = system.searcher()
    with contextlib.closing(Copy.fresh(system)) as copy, turn():
        found = {"index_bytes_built": copy.index_bytes()}
        # VACUUM is to leave it to the function.
        copy.cursor.execute(f"ALTER INDEX {system.index} SET (compact_threshold = 0)")
        copy.cursor.execute("CREATE SEQUENCE inserted CACHE 100")
        mark_rows(copy, PERCENT, 1)
        copy.cursor.execute("DELETE FROM items WHERE id IN (SELECT id FROM chosen)")
        copy.cursor.execute("VACUUM (INDEX_CLEANUP ON) items")
        survivors = Survivors(copy, system.data)
        found["recall_before"] = survivors.recall(searcher.answers(args.ef))
        with Load(system, args) as load:
            pass
        found["without"] = load.latencies()
        with Load(system, args) as load:
            time.sleep(1)
            start = time.time()
            found["done"] = _compact(copy)
            end = time.time()
        found["seconds"] = end - start
        found["beside"] = load.latencies(start, end)
        copy.cursor.execute("DELETE FROM items WHERE id >= %s", (system.data.rows,))
        copy.cursor.execute("VACUUM (INDEX_CLEANUP ON) items")
        found["done_alone"] = _compact(copy)
        found["index_bytes"] = copy.index_bytes()
        found["recall"] = survivors.recall(searcher.answers(args.ef))
        found["violations"] = _violations(copy)
    say(f"  {system.name}: {found}")
    return found


def _compact(copy):
    """What vecam_compact() returns, and the size of the file after it."""
    copy.cursor.execute("SELECT * FROM vecam_compact(%s)", (copy.system.index,))
    names = [column.name for column in copy.cursor.description]
    return {**dict(zip(names, map(int, copy.cursor.fetchone()))),
            "index_bytes": copy.index_bytes()}


def _violations(copy):
    return copy.one("SELECT count(*) FROM vecam_check(%s, true)", copy.system.index)


def restore(systems, args, turn):
    """A build, a checkpoint of what was built, and an index from it."""
    return {s.name: _restore(s, args, turn) for s in systems if s.is_vecam}


def _restore(system, args, turn):
    searcher = system.searcher()
    truth = system.data.truth()
    with contextlib.closing(Copy.fresh(system)) as copy, turn():
        build = copy.timed(f"REINDEX INDEX {system.index}")
        built = searcher.answers(args.ef)
        checkpoint = copy.timed("CREATE TABLE graph AS SELECT * FROM "
                                f"vecam_checkpoint('{system.index}')")
        size = copy.one("SELECT sum(length(data)) FROM graph")
        restoring = copy.timed("CREATE TABLE outcome AS SELECT * FROM "
                               f"vecam_restore('{system.index}', 'graph')")
        copy.cursor.execute("SELECT nodes_adopted, rows_inserted, nodes_dropped "
                            "FROM outcome")
        adopted, inserted, dropped = copy.cursor.fetchone()
        restored = searcher.answers(args.ef)
        found = {"build_seconds": build["seconds"],
                 "checkpoint_seconds": checkpoint["seconds"],
                 "checkpoint_bytes": int(size),
                 "restore_seconds": restoring["seconds"],
                 "nodes_adopted": adopted, "rows_inserted": inserted,
                 "nodes_dropped": dropped,
                 "recall_built": recall_of(truth, built),
                 "recall_restored": recall_of(truth, restored),
                 "queries": len(built),
                 "other_answers": sum(a != b for a, b in zip(built, restored)),
                 "violations": _violations(copy)}
    say(f"  {system.name}: {found}")
    return found
