#!/usr/bin/python3
"""Cut the sample in test/data from a full MNIST set.

    scripts/cut-test-data.py FOLDER [--out test/data]

FOLDER holds base.u8bin, query.u8bin, base.labels and query.labels (test/data/
README.md gives the formats).  The first 10,000 rows and 500 queries are kept,
and the 100 nearest rows of each query are computed, exactly, among the rows
kept.  The same input gives the same bytes.
"""
import argparse
import json
import os

import numpy as np

from vecdata import nearest, read_vectors, write_bin

NAME, ROWS, QUERIES, NEIGHBOURS = "mnist-10k", 10_000, 500, 100


def cut(path, count):
    """The first count rows of a u8bin file."""
    rows = read_vectors(path, count)
    if len(rows) < count:
        raise SystemExit(f"{path}: {len(rows)} rows, {count} wanted")
    return np.array(rows)


def cut_labels(path, count):
    """The first count labels (one byte each)."""
    labels = np.fromfile(path, np.uint8, count)
    if len(labels) < count or labels.max() > 9:
        raise SystemExit(f"{path}: not {count} digits")
    return labels


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="cut the sample in test/data")
    parser.add_argument("folder", help="the full set")
    parser.add_argument("--out", default=os.path.join(here, "..", "test", "data"))
    args = parser.parse_args()

    def source(name):
        return os.path.join(args.folder, name)

    def target(name):
        return os.path.join(args.out, f"{NAME}.{name}")

    base = cut(source("base.u8bin"), ROWS)
    queries = cut(source("query.u8bin"), QUERIES)
    os.makedirs(args.out, exist_ok=True)
    write_bin(target("base.u8bin"), base)
    write_bin(target("query.u8bin"), queries)
    cut_labels(source("base.labels"), ROWS).tofile(target("base.labels"))
    cut_labels(source("query.labels"), QUERIES).tofile(target("query.labels"))
    write_bin(target("groundtruth.ibin"),
              nearest("l2", base, queries, NEIGHBOURS))
    with open(target("meta.json"), "w") as f:
        json.dump({"name": NAME, "rows": ROWS, "queries": QUERIES,
                   "dim": base.shape[1], "type": "u8", "metric": "l2"}, f)
        f.write("\n")


if __name__ == "__main__":
    main()
