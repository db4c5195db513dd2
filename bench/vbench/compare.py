"""Ratios between systems at equal recall.

A curve is a list of points {"ef", "recall", "rounds": [{"qps", ...}]}.  Its value
at a recall is interpolated between the two measured points around it, log qps
over recall, and never beyond them: a system without a point on either side has no
value there.
"""
import math
import statistics
from dataclasses import dataclass, field


@dataclass
class Reading:
    """Queries per second at a recall, one for each round, or why there are none."""
    rounds: list = field(default_factory=list)
    note: str = ""

    @property
    def median(self):
        return statistics.median(self.rounds) if self.rounds else None


def around(curve, recall):
    """The neighbouring points that enclose a recall and the upper one's weight;
    () if there are none."""
    for lower, upper in zip(curve, curve[1:]):
        if lower["recall"] <= recall <= upper["recall"]:
            width = upper["recall"] - lower["recall"]
            return lower, upper, (recall - lower["recall"]) / width if width else 0.0
    return ()


def reaching(curve, recall):
    """The first point that has at least this recall, or None."""
    return next((p for p in curve if p["recall"] >= recall), None)


def at_recall(curve, recall):
    """The Reading of a curve at a recall."""
    found = around(curve, recall)
    if not found:
        return Reading(note=_why_not(curve, recall))
    lower, upper, weight = found
    values = [math.exp((1 - weight) * math.log(a["qps"]) + weight * math.log(b["qps"]))
              for a, b in zip(lower["rounds"], upper["rounds"])]
    return Reading(values, f"interpolated between ef {lower['ef']} "
                           f"({lower['recall']:.4f}) and {upper['ef']} "
                           f"({upper['recall']:.4f})")


def _why_not(curve, recall):
    best, worst = curve[-1], curve[0]
    if best["recall"] < recall:
        return f"recall {best['recall']:.4f} at ef {best['ef']} is the highest measured"
    return f"recall {worst['recall']:.4f} at ef {worst['ef']} is the lowest measured"


def ratio(ours, theirs):
    """Median, smallest and largest of the rounds' ratios, or None: rounds are
    compared with each other, as both took turns in them."""
    values = [a / b for a, b in zip(ours.rounds, theirs.rounds)]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values),
            "max": max(values), "rounds": len(values)}


def _once(value):
    """The ratio of figures that do not vary between rounds."""
    return {"median": value, "min": value, "max": value, "rounds": 1}


def _row(figure, recall, value, note):
    return {"figure": figure, "recall": recall, "ratio": value, "note": note}


def _notes(*pairs):
    return "; ".join(f"{name}: {reading.note}" for name, reading in pairs)


def common_recall(curves, names, target):
    """The target, or the lowest recall that all the systems can be asked for where
    one cannot go down to the target; and a note of that."""
    lowest, name = max((curves[n][0]["recall"], n) for n in names)
    if lowest <= target:
        return target, ""
    return lowest, f"not at {target}, as {name} has no lower recall; "


def curve_ratios(figure, curves, ours, theirs, target):
    """ours over theirs in queries per second at a recall."""
    recall, note = common_recall(curves, (ours, theirs), target)
    a, b = at_recall(curves[ours], recall), at_recall(curves[theirs], recall)
    return _row(f"{figure}, {ours} / {theirs}", recall, ratio(a, b),
                note + _notes((ours, a), (theirs, b)))


def counter_ratio(curves, ours, theirs, target, name):
    """A counter's ratio, interpolated linearly between the same points."""
    recall, note = common_recall(curves, (ours, theirs), target)
    figure = f"{name.replace('_', ' ')} a query, {ours} / {theirs}"
    readings = []
    for system in (ours, theirs):
        found = around(curves[system], recall)
        if not found:
            return _row(figure, recall, None,
                        f"{system}: {_why_not(curves[system], recall)}")
        lower, upper, weight = found
        readings.append((1 - weight) * lower["counters"][name] +
                        weight * upper["counters"][name])
    return _row(figure, recall, _once(readings[0] / readings[1]),
                f"{note}interpolated: {readings[0]:,.1f} and {readings[1]:,.1f}")


def floor_ratio(curves, floors, ours, floor, recall):
    """Latency of the fastest setting that reaches a recall, over a floor's."""
    point = reaching(curves.get(ours, []), recall)
    figure = f"latency, {ours} / {floor}"
    if point is None or floor not in floors or not point["rounds"]:
        return _row(figure, recall, None, "not measured, or recall not reached")
    mine, base = Reading([r["qps"] for r in point["rounds"]]), \
        Reading([r["qps"] for r in floors[floor]["rounds"]])
    return _row(figure, recall, ratio(base, mine),
                f"{ours} at ef {point['ef']}, recall {point['recall']:.4f}: "
                f"{1e6 / mine.median:,.0f} us; {floor}: {1e6 / base.median:,.0f} us")


def clients_ratio(clients, system, recall, many=64, few=2):
    """Queries per second of many clients over those of few."""
    found = {row["clients"]: row for row in clients
             if row["system"] == system and row["target"] == recall}
    figure = f"{many} clients / {few} clients, {system}"
    if many not in found or few not in found:
        return _row(figure, recall, None, "not measured")
    a, b = (Reading([r["qps"] for r in found[n]["rounds"]]) for n in (many, few))
    return _row(figure, recall, ratio(a, b),
                f"ef {found[few]['ef']}, recall {found[few]['recall']:.4f}: "
                f"{a.median:,.0f} and {b.median:,.0f} queries a second")


def _plain(figure, a, b, unit):
    return _row(figure, None, _once(a / b), f"{a:,.0f} and {b:,.0f} {unit}")


def _build_rows(builds, ours):
    if ours not in builds:
        return
    for peer, facts in builds.items():
        if peer != ours and facts["database"] != builds[ours]["database"]:
            yield _plain(f"index bytes a row, {ours} / {peer}",
                         builds[ours]["index_bytes"] / builds[ours]["rows"],
                         facts["index_bytes"] / facts["rows"], "bytes")
            yield _plain(f"build seconds, {ours} / {peer}",
                         builds[ours]["seconds"], facts["seconds"], "s")


def _flat_rows(flat, ours="vecam flat"):
    for peer in flat:
        if peer != ours:
            mine, theirs = Reading(flat[ours]["us"]), Reading(flat[peer]["us"])
            yield _row(f"speed, exact: {ours} / {peer}", None, ratio(theirs, mine),
                       f"{mine.median / 1e3:,.1f} and {theirs.median / 1e3:,.1f} ms a "
                       f"query; {flat[ours]['not_exact']} and "
                       f"{flat[peer]['not_exact']} answers not exact")


def _growth_rows(growth):
    """The first size over the last, in queries per second at the same recall."""
    if len(growth) < 2:
        return
    first, last = growth[0], growth[-1]
    a, b = (at_recall(size["curve"], size["target"]) for size in (first, last))
    yield _row(f"growth, {first['rows']:,} rows / {last['rows']:,} rows",
               first["target"], ratio(a, b), _notes((f"{first['rows']:,}", a),
                                                    (f"{last['rows']:,}", b)))


def all_ratios(result):
    """Every ratio that the results of one set allow."""
    curves, builds = result.get("curves", {}), result.get("builds", {})
    ours = [name for name in curves if name.startswith("vecam")]
    peers = [name for name in curves if name not in ours]
    timed = any(point["rounds"] for curve in curves.values() for point in curve)
    rows = []
    for mine in ours:
        for recall in result["targets"]:
            if timed:
                rows += [curve_ratios("queries a second", curves, mine, peer, recall)
                         for peer in peers]
                rows += [floor_ratio(curves, result.get("floors", {}), mine, floor, recall)
                         for floor in result.get("floors", {})]
            if "pgvector" in peers:
                rows.append(counter_ratio(curves, mine, "pgvector", recall, "index_pages"))
            cold = result.get("cold", {"curves": {}})["curves"]
            if cold.get(mine) and cold.get("pgvector"):
                rows.append(curve_ratios("cold queries a second", cold, mine, "pgvector",
                                         recall))
            if result.get("clients"):
                rows.append(clients_ratio(result["clients"], mine, recall))
        rows += _build_rows(builds, mine)
    rows += _flat_rows(result.get("flat", {}))
    rows += _growth_rows(result.get("growth", []))
    return rows
