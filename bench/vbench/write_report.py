"""Tables from the results of bench/write.sh."""
import json
import os
import statistics
import sys

from compare import Reading, ratio
from report import number, table

# Between which systems ratios are taken.
OURS, THEIRS = "vecam", "pgvector"


def systems_of(result):
    return [*result["builds"], "none"]


def share_of(ours, theirs):
    """The ratio round by round; None if there is none."""
    if not ours or not theirs or 0 in theirs:
        return None
    return ratio(Reading(ours), Reading(theirs))


def row(figure, found, name, digits=0, base=THEIRS):
    """A line of the table: a figure's medians by system and the ratio of vecam's
    to that of base, round by round."""
    values = {system: [r[name] for r in rounds] for system, rounds in found.items()}
    return {"figure": figure, "digits": digits, "base": base,
            "ratio": share_of(values.get(OURS), values.get(base)),
            "values": {system: statistics.median(v) for system, v in values.items() if v}}


def insert_rows(result):
    found = result["insert"]
    yield row("WAL bytes an inserted row, sealing included", found["counts"], "wal_bytes")
    yield row("the same, page images after a checkpoint included",
              found["counts_with_images"], "wal_bytes")
    yield row("buffers an inserted row, sealing included", found["counts"], "buffers", 1)
    yield row("rows inserted a second, one by one", found["times"], "rows_per_second")
    yield row("the same, until all are sealed", found["times"], "rows_per_second_sealed")


def copy_rows(result):
    found = result["copy"]["times"]
    yield row("rows copied a second", found, "rows_per_second")
    yield row("the same, until all are sealed", found, "rows_per_second_sealed")
    yield row("WAL bytes a row copied", found, "wal_bytes")


def update_rows(result):
    found = result["update"]["times"]
    for base in (THEIRS, "none"):
        yield row("rows updated a second, not HOT, another column", found,
                  "rows_per_second", 0, base)
        yield row("the same, until all are sealed", found, "rows_per_second_sealed", 0,
                  base)
    yield row("WAL bytes a row updated", found, "wal_bytes")


def vacuum_rows(result):
    for percent, found in result["vacuum"].items():
        yield row(f"VACUUM after deleting {percent} %, seconds", found, "seconds", 2)
        yield row(f"VACUUM after deleting {percent} %, WAL bytes", found, "wal_bytes")


def churn_rows(result, phase):
    percent, found = result[phase]["percent"], result[phase]["rounds"]
    rounds = max(map(len, found.values())) - 1
    for figure, name, digits in (
            (f"recall@10 at ef {result['ef']}", "recall", 4),
            ("index bytes", "index_bytes", 0), ("out of reach", "unreachable", 0)):
        yield row(f"{figure}: as built", {s: v[:1] for s, v in found.items()}, name, digits)
        yield row(f"{figure}: after {rounds} rounds of {percent} %",
                  {s: v[-1:] for s, v in found.items()}, name, digits)


def standby_rows(result):
    found = {system: [facts] for system, facts in result["standby"].items()}
    yield row("queries on the standby", found, "queries")
    yield row("of them failed", found, "errors")


PARTS = {"insert": insert_rows, "copy": copy_rows, "update": update_rows,
         "vacuum": vacuum_rows, "churn": lambda r: churn_rows(r, "churn"),
         "halves": lambda r: churn_rows(r, "halves"), "standby": standby_rows}


def figure_table(result):
    names = systems_of(result)
    rows = []
    for phase, part in PARTS.items():
        for line in part(result) if phase in result else ():
            share = line["ratio"]
            rows.append([line["figure"],
                         *(number(line["values"].get(name), line["digits"])
                           for name in names),
                         f"{share['median']:.3f}" if share else "-",
                         f"{share['min']:.3f} .. {share['max']:.3f}"
                         if share and share["rounds"] > 1 else "", line["base"]])
    yield from table(("figure", *names, f"{OURS} to", "from .. to", "whom"), rows)


def title(result):
    data, machine, versions = result["set"], result["machine"], result["versions"]
    commit = versions["vecam_commit"] or "no commit"
    if versions["vecam_modified"]:
        commit += ", modified"
    yield f"# Writes: {data['name']}: {data['rows']:,} x {data['dimensions']}, " \
          f"{data['metric']}, and {data['incoming']:,} rows more"
    yield ""
    yield f"{result['date']}; {machine['cpu']}, {machine['cores']} cores, " \
          f"{machine['memory_bytes'] / 2**30:.0f} GB; server and client on CPUs " \
          f"{result['cpus'] or 'all'}; {versions['postgresql']}; vecam {commit} " \
          f"(library {versions['vecam_library']}, {versions['vecam_simd']} kernels)" + \
          (f"; pgvector {versions['pgvector']}" if "pgvector" in versions else "") + "."
    yield ""
    for name, facts in result["builds"].items():
        yield f"- {name}: `{facts['definition'].partition(' USING ')[2]}`, " \
              f"{facts['index_bytes']:,} bytes"
    yield "- none: the table without an index on its vectors"
    yield ""


def markdown(result):
    return "\n".join([*title(result), *figure_table(result)]).rstrip() + "\n"


def write_around(result, prefix):
    """The table beside PREFIX.json."""
    with open(prefix + ".md", "w") as f:
        f.write(markdown(result))


def free_prefix(result, folder):
    """Where the results of a run go: a name not yet taken."""
    os.makedirs(folder, exist_ok=True)
    prefix = os.path.join(folder, f"{result['date']}-write-{result['set']['name']}")
    name, count = prefix, 1
    while os.path.exists(name + ".json"):
        count += 1
        name = f"{prefix}-{count}"
    return name


def write(result, prefix):
    with open(prefix + ".json", "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    write_around(result, prefix)


def main(paths):
    for path in paths:
        with open(path) as f:
            write_around(json.load(f), path.removesuffix(".json"))


if __name__ == "__main__":
    main(sys.argv[1:])
