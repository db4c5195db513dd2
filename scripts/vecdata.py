"""Vector files, exact distances and COPY streams for the scripts and benches.

Files (little-endian, row by row): u8bin, i8bin, f16bin, fbin and ibin start
with two uint32, rows and columns; fvecs and ivecs repeat the number of columns
as an int32 before each row.  All functions keep the values as stored; a vector
becomes float4 when it is sent to PostgreSQL.
"""
import json
import os

import numpy as np

BIN_TYPES = {".u8bin": "u1", ".i8bin": "i1", ".f16bin": "<f2", ".fbin": "<f4",
             ".ibin": "<i4"}
VECS_TYPES = {".fvecs": "<f4", ".ivecs": "<i4"}
BASE_EXTENSIONS = (".u8bin", ".i8bin", ".f16bin", ".fbin", ".fvecs")

METRICS = {"l2": ("<->", "vector_l2_ops"),
           "cosine": ("<=>", "vector_cosine_ops"),
           "ip": ("<#>", "vector_ip_ops")}


def read_vectors(path, limit=None):
    """The rows of a file (the first limit of them), as [rows, columns]."""
    extension = os.path.splitext(path)[1]
    if extension in VECS_TYPES:
        columns = int(np.fromfile(path, "<i4", 1)[0])
        record = np.dtype([("n", "<i4"), ("v", VECS_TYPES[extension], columns)])
        rows = np.memmap(path, record, "r")
        if (rows["n"] != columns).any():
            raise ValueError(f"{path}: rows of different lengths")
        return rows["v"][:limit]
    if extension not in BIN_TYPES:
        raise ValueError(f"{path}: unknown format {extension}")
    rows, columns = (int(v) for v in np.fromfile(path, "<u4", 2))
    dtype = np.dtype(BIN_TYPES[extension])
    if os.path.getsize(path) != 8 + rows * columns * dtype.itemsize:
        raise ValueError(f"{path}: size does not match {rows} x {columns}")
    return np.memmap(path, dtype, "r", 8, (rows, columns))[:limit]


def write_bin(path, values):
    """Writes [rows, columns] in the format that path's extension names."""
    with open(path, "wb") as f:
        np.array(values.shape, "<u4").tofile(f)
        np.ascontiguousarray(
            values, BIN_TYPES[os.path.splitext(path)[1]]).tofile(f)


class DataSet:
    """A set of base rows and queries described by PREFIXmeta.json.

    meta.json gives name and metric; beside it lie PREFIXbase.EXT,
    PREFIXquery.EXT and, if known, PREFIXgroundtruth.ibin or .ivecs.
    """

    def __init__(self, meta_path):
        with open(meta_path) as f:
            self.meta = json.load(f)
        self.prefix = meta_path[:-len("meta.json")]
        self.name = self.meta["name"]
        self.metric = self.meta["metric"]
        if self.metric not in METRICS:
            raise ValueError(f"{meta_path}: unknown metric {self.metric}")

    def use_metric(self, metric):
        """Another metric than the set's own, whose ground truth goes with it."""
        self.metric = metric

    def path(self, part, extensions):
        """The file of a part ("base"), or None."""
        for extension in extensions:
            if os.path.exists(self.prefix + part + extension):
                return self.prefix + part + extension
        return None

    def vectors(self, part, limit=None):
        """The vectors of "base" or "query"."""
        path = self.path(part, BASE_EXTENSIONS)
        if path is None:
            raise ValueError(f"{self.prefix}{part}: no such file")
        return read_vectors(path, limit)

    def truth(self):
        """Row numbers of the nearest base rows of each query, or None."""
        if self.metric != self.meta["metric"]:
            return None
        path = self.path("groundtruth", (".ibin", ".ivecs"))
        return None if path is None else read_vectors(path)

    def labels(self, part):
        """One byte per row, or None."""
        path = self.path(part, (".labels",))
        return None if path is None else np.fromfile(path, np.uint8)


def find_sets(folder):
    """The data sets in folder and in the folders below it, by name."""
    found = {}
    for place in [folder] + sorted(e.path for e in os.scandir(folder) if e.is_dir()):
        for name in sorted(os.listdir(place)):
            if name.endswith("meta.json"):
                data = DataSet(os.path.join(place, name))
                found[data.name] = data
    return found


def distances(metric, query, rows):
    """Distances of one query to rows, in float64, as vecam's operators define
    them: |x - q|, 1 - cos(x, q), -<x, q>."""
    q, x = query.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        return np.sqrt(((x - q) ** 2).sum(-1))
    if metric == "ip":
        return -(x @ q)
    norms = np.sqrt((x * x).sum(-1) * (q @ q))
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (x @ q) / norms


def _rank_keys(metric, queries, rows):
    """[queries, rows] of float64 that order as the distances do.

    For 8-bit rows and L2 these are integers below 2^53, hence exact.
    """
    products = queries @ rows.T
    if metric == "ip":
        return -products
    squares = (rows * rows).sum(1)
    if metric == "l2":
        return squares[None, :] - 2 * products
    with np.errstate(invalid="ignore", divide="ignore"):
        return -products / np.sqrt(squares)[None, :]


def nearest(metric, base, queries, k, block=20_000):
    """Row numbers of the k nearest base rows of each query, exactly, nearest
    first, ties by row number: int64[queries, k]."""
    q = queries.astype(np.float64)
    ids = np.empty((len(q), 0), np.int64)
    keys = np.empty((len(q), 0))
    for start in range(0, len(base), block):
        rows = np.asarray(base[start:start + block], np.float64)
        new_keys = _rank_keys(metric, q, rows)
        new_ids = np.broadcast_to(np.arange(start, start + len(rows)), new_keys.shape)
        # Earlier rows come first, and the sort is stable: ties by row number.
        keys = np.concatenate([keys, new_keys], axis=1)
        ids = np.concatenate([ids, new_ids], axis=1)
        order = np.argsort(keys, axis=1, kind="stable")[:, :k]
        keys = np.take_along_axis(keys, order, 1)
        ids = np.take_along_axis(ids, order, 1)
    return ids


def as_text(vector):
    """A vector in the type's text format, shortest exact float4 digits."""
    if np.issubdtype(vector.dtype, np.integer):
        return "[" + ",".join(map(str, vector.tolist())) + "]"
    return "[" + ",".join(str(v) for v in vector.astype(np.float32)) + "]"


class CopyStream:
    """COPY ... FORMAT binary input of (id int, [label int,] vector) rows.

    A file object for psycopg2's copy_expert.  Rows are built a block at a time
    in network byte order; at most one block is in memory.  progress(rows) is
    called with the number of rows handed over so far.
    """

    HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    TRAILER = b"\xff\xff"

    def __init__(self, vectors, labels=None, progress=None, block_bytes=1 << 23):
        self.vectors, self.labels, self.progress = vectors, labels, progress
        columns = vectors.shape[1]
        fields = [("fields", ">i2"), ("id_size", ">i4"), ("id", ">i4")]
        if labels is not None:
            fields += [("label_size", ">i4"), ("label", ">i4")]
        # The vector type's binary format: int16 dimensions, int16 0, float4s.
        fields += [("vector_size", ">i4"), ("dim", ">i2"), ("unused", ">i2"),
                   ("vector", ">f4", (columns,))]
        self.record = np.dtype(fields)
        self.block_rows = max(1, block_bytes // self.record.itemsize)
        self.next_row = 0
        self.buffer = memoryview(self.HEADER)
        self.ended = False

    def _fill(self):
        """Encodes the next block, or the trailer after the last one."""
        start = self.next_row
        rows = self.vectors[start:start + self.block_rows]
        if len(rows) == 0:
            self.buffer, self.ended = memoryview(self.TRAILER), True
            return
        out = np.zeros(len(rows), self.record)
        out["fields"] = 2 if self.labels is None else 3
        out["id_size"] = 4
        out["id"] = np.arange(start, start + len(rows))
        if self.labels is not None:
            out["label_size"] = 4
            out["label"] = self.labels[start:start + len(rows)]
        out["vector_size"] = 4 + 4 * rows.shape[1]
        out["dim"] = rows.shape[1]
        out["vector"] = rows
        self.buffer = memoryview(out.tobytes())
        self.next_row += len(rows)
        if self.progress:
            self.progress(self.next_row)

    def read(self, size=-1):
        """Up to size bytes; b"" at the end, as for a file."""
        if not self.buffer and not self.ended:
            self._fill()
        if size < 0:
            size = len(self.buffer)
        piece, self.buffer = self.buffer[:size], self.buffer[size:]
        return bytes(piece)

    def copy_into(self, cursor, table):
        """Runs the COPY into table."""
        cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)", self,
                           size=1 << 20)
