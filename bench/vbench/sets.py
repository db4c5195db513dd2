"""What is searched: stored sets, single files and generated ones, with the exact
answers of their queries."""
import json
import os

import numpy as np

from recall import Truth
from vecdata import BIN_TYPES, METRICS, DataSet, find_sets, nearest, read_vectors

K = 10
BLOCK_BYTES = 1 << 26


class FileSet:
    """A set given as two files, without ground truth."""

    def __init__(self, name, metric, base, query):
        self.name, self.metric = name, metric
        self.paths = {"base": base, "query": query}

    def vectors(self, part, limit=None):
        return read_vectors(self.paths[part], limit)

    def truth(self):
        return None


class BenchSet:
    """Rows, queries and exact answers of one run.

    source is a DataSet or a FileSet; truth_folder keeps computed answers.
    """

    def __init__(self, source, limits, truth_folder):
        self.metric = source.metric
        self.operator, self.operator_class = METRICS[source.metric]
        self.base = source.vectors("base", limits.limit_rows)
        self.queries = source.vectors("query", limits.limit_queries)
        self.rows, self.dimensions = self.base.shape
        self.whole = self.rows == len(source.vectors("base"))
        self.name = source.name if self.whole else f"{source.name}-{self.rows}"
        self._source, self._folder = source, truth_folder
        self._truth = {}

    def truth(self, rows=None):
        """Exact answers among the first rows."""
        rows = rows or self.rows
        if rows not in self._truth:
            self._truth[rows] = Truth(self._first(rows), self.base[:rows], self.queries)
        return self._truth[rows]

    def _first(self, rows):
        return Answered(self.name, self.metric, self.base[:rows],
                         self._neighbours(rows))

    def _neighbours(self, rows):
        if self.whole and rows == self.rows:
            known = self._source.truth()
            if known is not None:
                return known
        path = os.path.join(self._folder, f"truth-{self.metric}-{rows}-"
                                          f"{len(self.queries)}.npy")
        if not os.path.exists(path):
            print(f"computing exact answers among {rows:,} rows", flush=True)
            found = nearest(self.metric, self.base[:rows], self.queries, K)
            np.save(path, found)
        return np.load(path)


class Answered:
    """What Truth wants to know of a set: here its first rows and their answers."""

    def __init__(self, name, metric, base, neighbours):
        self.name, self.metric = name, metric
        self._base, self._neighbours = base, neighbours

    def vectors(self, _part):
        return self._base

    def truth(self):
        return self._neighbours


def generate(folder, rows, dimensions, clusters, queries=1000, seed=1):
    """Writes a set of clustered Gaussian rows, a block at a time; returns it.

    A row is a centre plus noise that is large along a few directions and small
    along the others, as in embeddings, whose neighbours lie on fewer dimensions
    than they have.  Queries are drawn as the rows are.
    """
    name = f"generated-{rows}-{dimensions}-{clusters}"
    place = os.path.join(folder, name)
    meta = os.path.join(place, "meta.json")
    if not os.path.exists(meta):
        os.makedirs(place, exist_ok=True)
        random = np.random.default_rng(seed)
        scale = (1 + np.arange(dimensions, dtype=np.float32)) ** -0.5
        centres = random.standard_normal((clusters, dimensions), np.float32) * scale
        for part, count in (("base", rows), ("query", queries)):
            _write_generated(os.path.join(place, part + ".fbin"), count, centres,
                             scale, random)
        with open(meta, "w") as f:
            json.dump({"name": name, "rows": rows, "dim": dimensions,
                       "queries": queries, "type": "f32", "metric": "l2"}, f)
    return DataSet(meta)


def _write_generated(path, rows, centres, scale, random):
    dimensions = centres.shape[1]
    block = max(1, BLOCK_BYTES // (4 * dimensions))
    with open(path, "wb") as f:
        np.array((rows, dimensions), "<u4").tofile(f)
        for start in range(0, rows, block):
            count = min(block, rows - start)
            noise = random.standard_normal((count, dimensions), np.float32) * scale
            values = centres[random.integers(len(centres), size=count)] + noise
            values.astype(BIN_TYPES[".fbin"]).tofile(f)


def choose(args):
    """The sets that the arguments name; ends the program if one is unknown."""
    chosen = []
    if args.base:
        name = os.path.splitext(os.path.basename(args.base))[0]
        chosen.append(FileSet(name, args.metric or "l2", args.base, args.query))
    for rows, dimensions, clusters in args.generate or []:
        chosen.append(generate(args.own_data, rows, dimensions, clusters))
    found = {}
    for folder in args.data:
        if os.path.isdir(folder):
            found.update(find_sets(folder))
    for name in args.sets or ([] if chosen else ["mnist-10k"]):
        if name not in found:
            raise SystemExit(f"no set {name}; there are: {', '.join(found) or 'none'}")
        chosen.append(found[name])
    for source in chosen:
        if args.metric and args.metric != source.metric:
            source.use_metric(args.metric)
    return chosen
