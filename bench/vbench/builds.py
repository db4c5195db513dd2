"""Tables and indexes in the server, loaded and built unless they are there.

What is known of a table or an index, such as how long its build took, is kept as
its comment, so that it cannot differ from what is in the database.
"""
import json
import time
from dataclasses import dataclass

from server import BenchError
from vecdata import CopyStream

# Up to this many dimensions a query's vector fits a page of its table, so that
# reading it costs no detoasting.
INLINE_DIMENSIONS = 2000


@dataclass(frozen=True)
class Extension:
    """What names an extension's things; efs are tried until recall is full."""
    database: str
    name: str
    method: str
    ef_setting: str
    efs: tuple


VECAM = Extension("vecam", "vecam", "vecam", "vecam.ef_search",
                  (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512))
PGVECTOR = Extension("pgvector", "vector", "hnsw", "hnsw.ef_search",
                     (10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 400, 800))


def _facts(cursor, relation):
    """The comment of a relation as a dict; None if there is no relation."""
    cursor.execute("SELECT obj_description(to_regclass(%s)), to_regclass(%s)",
                   (relation, relation))
    comment, found = cursor.fetchone()
    return json.loads(comment or "{}") if found else None


def _remember(cursor, kind, relation, facts):
    cursor.execute(f"COMMENT ON {kind} {relation} IS %s", (json.dumps(facts),))


def prepare_database(server, extension, rebuild):
    """The extension's database, made anew if rebuild."""
    cursor = server.connect("postgres")
    if rebuild:
        cursor.execute(f"DROP DATABASE IF EXISTS {extension.database}")
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s",
                   (extension.database,))
    if not cursor.fetchone():
        cursor.execute(f"CREATE DATABASE {extension.database}")
        server.connect(extension.database).execute(f"CREATE EXTENSION {extension.name}")


def ensure_table(cursor, table, vectors, source):
    """A table of (id, vector) with these rows; returns what is known of it."""
    wanted = {"source": source, "rows": len(vectors), "dimensions": vectors.shape[1]}
    facts = _facts(cursor, table)
    if facts and all(facts.get(name) == value for name, value in wanted.items()):
        return facts
    print(f"loading {table}: {len(vectors):,} rows", flush=True)
    column = "q" if table == "queries" else "embedding"
    cursor.execute(f"DROP TABLE IF EXISTS {table}")
    cursor.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, "
                   f"{column} vector({vectors.shape[1]}))")
    if table == "queries" and vectors.shape[1] <= INLINE_DIMENSIONS:
        cursor.execute("ALTER TABLE queries ALTER q SET STORAGE PLAIN")
    start = time.perf_counter()
    CopyStream(vectors).copy_into(cursor, table)
    facts = {**wanted, "seconds": time.perf_counter() - start}
    cursor.execute(f"VACUUM (ANALYZE) {table}")
    cursor.execute("SELECT pg_table_size(%s)", (table,))
    facts["table_bytes"] = cursor.fetchone()[0]
    _remember(cursor, "TABLE", table, facts)
    return facts


def ensure_index(server, extension, data, table, index, options):
    """An index with these options; returns what is known of it."""
    cursor = server.connect(extension.database)
    wanted = (f"CREATE INDEX {index} ON {table} USING {extension.method} "
              f"(embedding {data.operator_class})" +
              (f" WITH ({options})" if options else ""))
    facts = _facts(cursor, index)
    if facts and facts.get("definition") == wanted:
        return {**facts, "reused": True}
    print(f"{extension.database}: {wanted}", flush=True)
    cursor.execute(f"DROP INDEX IF EXISTS {index}")
    cursor.execute("CHECKPOINT")
    del cursor.connection.notices[:]
    start = time.perf_counter()
    cursor.execute(wanted)
    seconds = time.perf_counter() - start
    if any("no longer fits" in notice for notice in cursor.connection.notices):
        raise BenchError(f"{index}: {cursor.connection.notices}; raise "
                         "--maintenance-work-mem")
    cursor.execute("SELECT pg_relation_size(%s)", (index,))
    facts = {"definition": wanted, "seconds": seconds,
             "index_bytes": cursor.fetchone()[0], "table": table}
    _remember(cursor, "INDEX", index, facts)
    cursor.execute("CHECKPOINT")
    print(f"    {seconds:,.1f} s, {facts['index_bytes'] / 1e6:,.1f} MB", flush=True)
    return {**facts, "reused": False}
