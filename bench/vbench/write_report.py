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


def row(figure, found, name, digits=0, base=THEIRS, wanted=""):
    """A line of the table: a figure's medians by system, the ratio of vecam's to
    that of base, and the ratio (or value) aimed at."""
    values = {system: [r[name] for r in rounds if name in r]
              for system, rounds in found.items()}
    return {"figure": figure, "digits": digits, "base": base, "wanted": wanted,
            "ratio": share_of(values.get(OURS), values.get(base)),
            "values": {system: statistics.median(v) for system, v in values.items() if v}}


def above_none(found, name):
    """A figure without the table's share, round by round."""
    return {system: [{name: ours[name] - none[name]}
                     for ours, none in zip(rounds, found["none"])]
            for system, rounds in found.items() if system != "none"}


def insert_rows(result):
    for counts, note in (("counts", ""), ("counts_with_images", ", page images included")):
        found = result["insert"][counts]
        yield row(f"WAL bytes an inserted row, sealed{note}", found, "wal_bytes",
                  wanted="" if note else "<= 0.35")
        yield row(f"of them for the index{note}", above_none(found, "wal_bytes"),
                  "wal_bytes")
    found = result["insert"]["counts"]
    yield row("buffers an inserted row, sealed", found, "buffers", 1, wanted="<= 0.2")
    yield row("of them for the index", above_none(found, "buffers"), "buffers", 1)
    found = result["insert"]["times"]
    yield row("rows inserted a second", found, "rows_per_second", wanted=">= 8")
    yield row("until all are sealed", found, "rows_per_second_sealed")


def copy_rows(result):
    found = result["copy"]["times"]
    yield row("rows copied a second", found, "rows_per_second", wanted=">= 5")
    yield row("until all are sealed", found, "rows_per_second_sealed")
    yield row("WAL bytes a row copied, sealed", found, "wal_bytes")


def update_rows(result):
    found = result["update"]["times"]
    for base, wanted in ((THEIRS, ""), ("none", ">= 0.5")):
        yield row("rows updated a second, not HOT", found, "rows_per_second",
                  base=base, wanted=wanted)
        yield row("until all are sealed", found, "rows_per_second_sealed", base=base)
    yield row("WAL bytes a row updated, sealed", found, "wal_bytes")


def vacuum_rows(result):
    for percent, found in result["vacuum"].items():
        yield row(f"VACUUM after deleting {percent} %, seconds", found, "seconds", 2,
                  wanted="<= 0.05" if percent == "1" else "<= 0.1")
        yield row(f"VACUUM after deleting {percent} %, WAL bytes", found, "wal_bytes",
                  wanted="<= 0.25")


def churn_rows(result, phase):
    """Ratios are those to the index as it was built."""
    percent, found = result[phase]["percent"], result[phase]["rounds"]
    rounds = max(map(len, found.values())) - 1
    for figure, name, digits, wanted in (
            (f"recall@10 at ef {result['ef']}", "recall", 4, "-0.005"),
            ("index bytes", "index_bytes", 0, "<= 1.15"),
            ("out of reach", "unreachable", 0, "0"),
            ("broken invariants", "violations", 0, "0")):
        for when, place in (("as built", 0), (f"{rounds} times {percent} % replaced", -1)):
            line = row(f"{figure}, {when}", {s: [v[place]] for s, v in found.items()}, name,
                       digits, base="as built", wanted=wanted if place else "")
            if place and OURS in found and name in ("recall", "index_bytes"):
                line["ratio"] = share_of([found[OURS][-1][name]], [found[OURS][0][name]])
            yield line


def standby_rows(result):
    found = {system: [facts] for system, facts in result["standby"].items()}
    yield row("queries on the standby during VACUUM", found, "queries")
    yield row("of them failed", found, "errors", wanted="0")
    yield row("of them had too few rows", found, "short", wanted="0")


def against(figure, facts, before, after, digits, wanted):
    """Two lines of a figure of vecam, (note, name) each, the second with its ratio to
    the first."""
    yield row(f"{figure}, {before[0]}", facts, before[1], digits)
    line = row(f"{figure}, {after[0]}", facts, after[1], digits, base=before[0],
               wanted=wanted)
    if OURS in facts:
        line["ratio"] = share_of(*([facts[OURS][0][name]] for _, name in (after, before)))
    yield line


def compact_rows(result):
    facts = {system: [{**found, "p99_without": found["without"]["p99_us"],
                       "p99_beside": found["beside"]["p99_us"]}]
             for system, found in result["compact"].items()}
    yield row("seconds of a compaction beside clients", facts, "seconds", 1)
    yield from against("p99 us of a search", facts, ("alone", "p99_without"),
                       ("beside a compaction", "p99_beside"), 0, "<= 3")
    yield from against("index bytes", facts, ("as built", "index_bytes_built"),
                       ("half deleted and compacted", "index_bytes"), 0, "<= 0.6")
    yield from against(f"recall@10 at ef {result['ef']}", facts,
                       ("half deleted", "recall_before"),
                       ("half deleted and compacted", "recall"), 4, "-0.005")
    yield row("broken invariants, half deleted and compacted", facts, "violations",
              wanted="0")


def restore_rows(result):
    facts = {system: [found] for system, found in result["restore"].items()}
    yield from against("seconds", facts, ("building", "build_seconds"),
                       ("restoring", "restore_seconds"), 2, "<= 0.2")
    yield row("seconds, checkpoint", facts, "checkpoint_seconds", 2)
    yield row("bytes, checkpoint", facts, "checkpoint_bytes")
    yield from against(f"recall@10 at ef {result['ef']}", facts,
                       ("built", "recall_built"), ("restored", "recall_restored"), 4, "1")
    yield row("answers that differ, restored", facts, "other_answers", wanted="0")
    yield row("broken invariants, restored", facts, "violations", wanted="0")


PARTS = {"insert": insert_rows, "copy": copy_rows, "update": update_rows,
         "vacuum": vacuum_rows, "churn": lambda r: churn_rows(r, "churn"),
         "halves": lambda r: churn_rows(r, "halves"), "standby": standby_rows,
         "compact": compact_rows, "restore": restore_rows}


def figure_table(result):
    names = systems_of(result)
    lines = [line for phase, part in PARTS.items() if phase in result
             for line in part(result)]
    yield from table(("figure", *names, "ratio", "to", "from .. to", "wanted"),
                     [[line["figure"],
                       *(number(line["values"].get(name), line["digits"])
                         for name in names),
                       *ratio_cells(line), line["wanted"]] for line in lines])


def ratio_cells(line):
    share = line["ratio"]
    if not share:
        return "", "", ""
    spread = f"{share['min']:.3g} .. {share['max']:.3g}" if share["rounds"] > 1 else ""
    return f"{share['median']:.3g}", line["base"], spread


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
          f"{result['cpus'] or 'all'}, workers on {result['worker_cpus'] or 'all'} " \
          f"(vecam.seal_workers {versions['seal_workers'] or 'not there'}); " \
          f"{versions['postgresql']}; vecam {commit} " \
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
