"""Tables and plots from results: run by bench/run.sh and by bench/plot.sh."""
import json
import math
import os
import statistics
import subprocess
import sys

from compare import all_ratios, at_recall

# Of one lightness, told apart by the colour-blind as well; vecam's stand out.
COLOURS = {"vecam": "#d55e00", "pgvector": "#0072b2", "hnswlib": "#009e73",
           "faiss": "#b07aa1"}
MORE_COLOURS = ("#e69f00", "#56b4e9", "#8c564b", "#7f7f7f")
TEXT_COLUMNS = ("ratio", "index", "system", "how", "definition", "figure", "wanted", "to")
TICKS = (0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 1)
FULL = 0.9995
POINTS = (7, 5, 9, 13, 11, 6, 4, 8)


def median(rounds, name):
    """The median of a figure over the rounds, or None."""
    return statistics.median(r[name] for r in rounds) if rounds else None


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def table(header, rows):
    """A Markdown table; numbers are aligned to the right."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "|".join("---" if name in TEXT_COLUMNS else "--:" for name in header) + "|"
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"
    yield ""


def title(result):
    data, machine, versions = result["set"], result["machine"], result["versions"]
    commit = versions.get("vecam_commit") or "no commit"
    if versions.get("vecam_modified"):
        commit += ", modified"
    yield f"# {data['name']}: {data['rows']:,} x {data['dimensions']}, {data['metric']}, " \
          f"{data['queries']:,} queries"
    yield ""
    yield f"{result['date']}; {machine['cpu']}, {machine['cores']} cores, " \
          f"{machine['memory_bytes'] / 2**30:.0f} GB; {versions['postgresql']}; " \
          f"vecam {commit} (library {versions['vecam_library']}, " \
          f"{versions['vecam_simd']} kernels)" + \
          "".join(f"; {name} {versions[name]}" for name in ("pgvector", "hnswlib", "faiss")
                  if name in versions) + "."
    yield ""


def build_table(result):
    rows = []
    for name, facts in result["builds"].items():
        rows.append([name, number(facts["seconds"], 1),
                     number(facts["rows"] / facts["seconds"]),
                     number(facts["index_bytes"]),
                     number(facts["index_bytes"] / facts["rows"]),
                     facts.get("definition", "").partition(" USING ")[2]])
    yield from table(("index", "build s", "rows/s", "index bytes", "bytes/row",
                      "definition"), rows)


def curve_table(result):
    header = ("system", "ef", "recall@10", "queries/s", "p50 us", "p95 us", "p99 us",
              "index pages", "table pages", "heap rows", "WAL bytes")
    rows = [[name, "-", "-", *timing_cells(point["rounds"]), "-", "-", "-", "-"]
            for name, point in result.get("floors", {}).items()]
    for name, curve in result.get("curves", {}).items():
        for point in curve:
            counters = [number(point["counters"].get(key), 1) for key in
                        ("index_pages", "table_pages", "heap_rows", "wal_bytes")]
            rows.append([name, point["ef"], f"{point['recall']:.4f}",
                         *timing_cells(point["rounds"]), *counters])
    if rows:
        yield from table(header, rows)


def timing_cells(rounds):
    return [number(median(rounds, "qps"))] + [
        number(median(rounds, name)) for name in ("p50_us", "p95_us", "p99_us")]


def clients_table(result):
    rows = [[row["system"], row["target"], row["ef"], f"{row['recall']:.4f}",
             row["clients"], *timing_cells(row["rounds"])]
            for row in result.get("clients", [])]
    if rows:
        yield from table(("system", "target", "ef", "recall@10", "clients", "queries/s",
                          "p50 us", "p95 us", "p99 us"), rows)


def cold_table(result):
    cold = result.get("cold")
    if not cold:
        return
    resident = cold["resident_bytes_after_drop"]
    yield f"Cold: shared_buffers {cold['shared_buffers_bytes'] / 1e6:,.1f} MB for either; " \
          f"before each round the page cache was emptied " \
          f"({'drop_caches' if cold['dropped_by'] == 'caches' else 'posix_fadvise'}; " \
          f"at most {resident / 1e6:,.1f} MB of the server's files left in it)."
    yield ""
    rows = [[name, point["ef"], f"{point['recall']:.4f}",
             number(1e3 / median(point["rounds"], "qps"), 2),
             number(median(point["rounds"], "p50_ms"), 2)]
            for name, curve in cold["curves"].items() for point in curve]
    yield from table(("system", "ef", "recall@10", "mean ms", "p50 ms"), rows)


def growth_table(result):
    rows = []
    for size in result.get("growth", []):
        reading = at_recall(size["curve"], size["target"])
        rows.append([f"{size['rows']:,}", size["target"], number(reading.median),
                     reading.note])
    if rows:
        yield from table(("rows", "recall@10", "queries/s", "how"), rows)


def ratio_table(result):
    rows = []
    for row in all_ratios(result):
        value = row["ratio"]
        rows.append([row["figure"], f"{row['recall']:.4g}" if row["recall"] else "-",
                     f"{value['median']:.2f}" if value else "-",
                     f"{value['min']:.2f} .. {value['max']:.2f}"
                     if value and value["rounds"] > 1 else "", row["note"]])
    yield from table(("ratio", "recall@10", "median", "rounds from .. to", "how"), rows)


def markdown(result):
    lines = []
    for part in (title, ratio_table, build_table, curve_table, clients_table, cold_table,
                 growth_table):
        lines += part(result)
    return "\n".join(lines).rstrip() + "\n"


def colour(name, position):
    return COLOURS.get(name) or MORE_COLOURS[position % len(MORE_COLOURS)]


def plot_script(result, terminal, output):
    """A gnuplot script: queries per second over recall for every system."""
    curves = {name: [p for p in curve if p["rounds"]]
              for name, curve in result.get("curves", {}).items()}
    curves = {name: curve for name, curve in curves.items() if curve}
    data = result["set"]
    lines = [f"set terminal {terminal}", f"set output '{output}'",
             "set encoding utf8",
             f"set title \"{data['name']}: {data['rows']:,} x {data['dimensions']}, "
             f"{data['metric']}, one client\" noenhanced",
             "set xlabel 'recall\\@10'", "set ylabel 'queries per second'",
             "set logscale y", "set grid ytics xtics lt 1 lc '#dcdcdc'",
             "set border 3 lc '#606060'", "set tics nomirror", "set format y '%.0f'",
             f"set xrange [{axis(plot_start(curves)):g}:{axis(1) + 0.05:g}]",
             "set xtics (" + ", ".join(f"'{r}' {axis(r):g}" for r in TICKS) + ")",
             "set key bottom left Left reverse noenhanced box lc '#d0d0d0' opaque"]
    for position, (name, curve) in enumerate(curves.items()):
        lines.append(f"$d{position} << EOD")
        lines += [f"{axis(p['recall']):.6f} {median(p['rounds'], 'qps'):.3f}" for p in curve]
        lines.append("EOD")
    plots = [f"$d{i} using 1:2 with linespoints lw 2 pt {POINTS[i % len(POINTS)]} ps 0.8 "
             f"lc '{colour(name, i)}' title '{name}'" for i, name in enumerate(curves)]
    return "\n".join(lines + ["plot " + ", ".join(plots)]) + "\n" if plots else None


def axis(recall):
    """Where a recall stands: by the logarithm of what is missed, as the work to
    halve it is about the same everywhere.  All from FULL on stand as 1."""
    return -math.log10(max(1 - recall, 1 - FULL))


def plot_start(curves):
    """The lowest recall shown: 0.7, or a little below the lowest measured."""
    lowest = min((p["recall"] for curve in curves.values() for p in curve), default=0.8)
    return max(0.7, 1 - 1.1 * (1 - lowest))


def plot(result, prefix):
    for extension, terminal in (
            ("svg", "svg size 860,560 font 'sans-serif,13' background 'white'"),
            ("png", "pngcairo size 1290,840 font 'sans,18' background 'white'")):
        script = plot_script(result, terminal, f"{prefix}.{extension}")
        if script:
            subprocess.run(["gnuplot"], input=script, text=True, check=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8"})


def write_around(result, prefix):
    """The table and the plots beside PREFIX.json."""
    with open(prefix + ".md", "w") as f:
        f.write(markdown(result))
    plot(result, prefix)


def write(result, folder):
    """All files of a run, under a name not yet taken; prints the table."""
    os.makedirs(folder, exist_ok=True)
    prefix = os.path.join(folder, f"{result['date']}-{result['set']['name']}")
    name, count = prefix, 1
    while os.path.exists(name + ".json"):
        count += 1
        name = f"{prefix}-{count}"
    with open(name + ".json", "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    write_around(result, name)
    print(markdown(result))
    print(f"written: {name}.json, .md, .svg, .png", flush=True)


def main(paths):
    for path in paths:
        with open(path) as f:
            write_around(json.load(f), path.removesuffix(".json"))


if __name__ == "__main__":
    main(sys.argv[1:])
