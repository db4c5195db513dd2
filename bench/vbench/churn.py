"""VACUUM, and what rounds of deleting and inserting the same rows do to an index."""
import contextlib
import time

import numpy as np

from changing import Copy, in_rounds
from measure import recall_of, say
from server import BenchError


def mark_rows(copy, percent, seed):
    """Notes a random share of the rows in the table "chosen", the same for all."""
    rows = copy.system.data.rows
    ids = np.random.default_rng(seed).permutation(rows)[:round(rows * percent / 100)]
    copy.cursor.execute("DROP TABLE IF EXISTS chosen")
    copy.cursor.execute("CREATE TABLE chosen AS SELECT * FROM items "
                        "WHERE id = ANY (%s)", (ids.tolist(),))


def vacuum(systems, args, turn):
    """Time and WAL of VACUUM, by the percentage of rows deleted."""
    found = {}
    for percent in args.vacuum:
        say(f" {percent} % deleted")
        found[str(percent)] = in_rounds(
            systems, args.rounds, turn,
            lambda copy, percent=percent: _time_vacuum(copy, percent))
    return found


def _time_vacuum(copy, percent):
    mark_rows(copy, percent, 1)
    copy.cursor.execute("DELETE FROM items WHERE id IN (SELECT id FROM chosen)")
    copy.warm()
    return copy.timed("VACUUM (INDEX_CLEANUP ON) items")


def churn(systems, args, turn):
    """Rounds of 30 %."""
    return _replacements(systems, args, 30, args.churn_rounds, turn)


def halves(systems, args, turn):
    """Rounds of half."""
    return _replacements(systems, args, 50, args.half_rounds, turn)


def _replacements(systems, args, percent, count, turn):
    return {"percent": percent,
            "rounds": {s.name: _rounds(s, args.ef, percent, count, turn)
                       for s in systems}}


def _rounds(system, ef, percent, count, turn):
    """The state of the index as it was built and after each round of deleting a
    share of the rows, VACUUM, and inserting the same rows again."""
    with contextlib.closing(Copy.fresh(system)) as copy:
        with turn():
            found = [_state(copy, ef)]
        for number in range(count):
            with turn():
                start = time.perf_counter()
                replace_rows(copy, percent, number)
                seconds = time.perf_counter() - start
                found.append({**_state(copy, ef), "seconds": seconds})
            say(f"  {system.name}, round {number + 1}: " + ", ".join(
                f"{key} {value:,.4f}" for key, value in found[-1].items()))
    return found


def replace_rows(copy, percent, seed):
    mark_rows(copy, percent, seed)
    copy.cursor.execute("DELETE FROM items WHERE id IN (SELECT id FROM chosen)")
    copy.cursor.execute("VACUUM (INDEX_CLEANUP ON) items")
    copy.cursor.execute("INSERT INTO items SELECT * FROM chosen")
    copy.cursor.execute(copy.sealing)


def _state(copy, ef):
    """Recall and size of an index, and what is wrong with it."""
    searcher = copy.system.searcher()
    found = {"recall": recall_of(copy.system.data.truth(), searcher.answers(ef)),
             "index_bytes": copy.index_bytes(), "unreachable": _unreachable(copy)}
    if copy.one("SELECT to_regprocedure('vecam_check(regclass, boolean)') IS NOT NULL"):
        found["violations"] = copy.one("SELECT count(*) FROM vecam_check(%s, true)",
                                       copy.system.index)
    return found


def _unreachable(copy):
    """Rows that a search without an end does not return.  vecam's looks for those
    in all pages when it has come to the end of its graph, so here it is the nodes
    that it had not visited by then."""
    system = copy.system
    rows = copy.one("SELECT count(*) FROM items")
    cursor = system.searcher().connect()
    for name, value in system.endless.items():
        cursor.execute(f"SET {name} = '{value}'")
    all_rows = (f"SELECT count(DISTINCT id) FROM (SELECT id FROM items ORDER BY embedding "
                f"{system.data.operator} (SELECT q FROM queries WHERE id = 0) "
                f"LIMIT {rows + 1}) nearest")
    cursor.execute("EXPLAIN " + all_rows)
    if f"Index Scan using {system.index} " not in str(cursor.fetchall()):
        raise BenchError(f"{system.name}: all rows are not read through the index")
    cursor.execute(all_rows)
    missing = rows - cursor.fetchone()[0]
    if system.is_vecam:
        cursor.execute("SELECT live_nodes + deleted_nodes - nodes_visited FROM "
                       f"vecam_last_search(), vecam_stats('{system.index}')")
        missing += cursor.fetchone()[0]
    cursor.connection.close()
    return missing
