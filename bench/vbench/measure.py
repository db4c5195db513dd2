"""The measurements: curves, clients, cold, flat and growth.

Systems take turns within each round (A B A B), so that whatever else the machine
does falls on all of them, and ratios are taken round by round.
"""
import contextlib
import fcntl
import json
import os
import statistics
import subprocess
import time

import numpy as np

from compare import around, common_recall, reaching
from sets import K
from vecdata import as_text

# Recall from which larger values of ef show nothing more.
FULL_RECALL = 0.9995
# A server with fewer buffers does not start, or cannot pin what it needs.
MIN_BUFFERS = 128
# For others who wait for the lock: it goes to whoever asks first, not to whoever
# has waited longest.
LOCK_PAUSE = 0.2


@contextlib.contextmanager
def pinned(cpus):
    """Runs a block, and what it starts, on some cpus ("0,2-3"; all if None)."""
    before = os.sched_getaffinity(0)
    if cpus:
        os.sched_setaffinity(0, cpu_numbers(cpus))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_numbers(text):
    numbers = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


class Turn:
    """The turn of a timed measurement: the cpus it runs on, and a lock if the
    machine is shared with other measurements."""

    def __init__(self, cpus, lock_path):
        self.cpus = cpus
        self.lock = open(lock_path, "w") if lock_path else None

    @contextlib.contextmanager
    def __call__(self):
        if self.lock:
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            with pinned(self.cpus):
                yield
        finally:
            if self.lock:
                fcntl.flock(self.lock, fcntl.LOCK_UN)
                time.sleep(LOCK_PAUSE)


def say(text):
    print(text, flush=True)


def recall_of(truth, answers):
    """Share of the K nearest found: a row counts if it is as near as the K-th."""
    found = sum(truth.recalled(i, ids) for i, ids in enumerate(answers) if ids)
    return found / (K * len(answers))


def measure_points(system, truth, efs, turn, until=FULL_RECALL):
    """Recall and counters at each ef, up to the first whose recall is enough."""
    points = []
    for ef in efs:
        with turn():
            answers, counters = system.answers(ef), system.counters(ef)
        point = {"ef": ef, "recall": recall_of(truth, answers),
                 "counters": counters, "rounds": []}
        points.append(point)
        say(f"  {system.name} ef {ef}: recall {point['recall']:.4f}  " +
            ", ".join(f"{name} {value:,.1f}" for name, value in counters.items()))
        if point["recall"] >= until:
            break
    return points


def time_in_turns(entries, rounds, seconds, turn):
    """Times the points of (system, points, clients), in rounds of turns."""
    longest = max((len(points) for _, points, _ in entries), default=0)
    for number in range(rounds):
        for position in range(longest):
            for system, points, clients in entries:
                if position < len(points):
                    with turn():
                        points[position]["rounds"].append(system.time(
                            points[position]["ef"], clients, seconds, 1000 + number))
        say(f"  round {number + 1} of {rounds}: " + ", ".join(
            f"{system.name} " + " ".join(f"{p['rounds'][-1]['qps']:,.0f}" for p in points)
            for system, points, _ in entries))


def curves(systems, floors, data, args, turn):
    """A curve for each system, and the floors, timed together."""
    found = {system.name: measure_points(system, data.truth(),
                                         args.ef.get(system.name, system.default_efs),
                                         turn)
             for system in systems}
    below = {floor.name: {"ef": None, "rounds": []} for floor in floors}
    if "sweep" in args.phases or "floor" in args.phases:
        entries = [(floor, [below[floor.name]], 1) for floor in floors]
        if "sweep" in args.phases:
            entries += [(system, found[system.name], 1) for system in systems]
        time_in_turns(entries, args.rounds, args.seconds, turn)
    return found, {name: point for name, point in below.items() if point["rounds"]}


def clients(systems, found, args, turn):
    """Queries per second of several clients, at the ef that reaches a target."""
    rows, entries = [], []
    for target in args.targets:
        for count in args.clients:
            for system in systems:
                point = reaching(found[system.name], target)
                if system.clients and point:
                    row = {"system": system.name, "target": target, "clients": count,
                           "ef": point["ef"], "recall": point["recall"], "rounds": []}
                    rows.append(row)
                    entries.append((system, [row], count))
    time_in_turns(entries, args.rounds, args.seconds, turn)
    return rows


class ColdStart:
    """Restarts a server with few buffers, and nothing in the page cache."""

    def __init__(self, server, buffers, drop, cpus):
        self.server, self.buffers, self.cpus = server, buffers, cpus
        self.drop, self.resident = drop, 0

    def __call__(self):
        self.server.stop()
        files = [os.path.join(folder, name)
                 for folder, _, names in os.walk(self.server.data_path("base"))
                 for name in names]
        os.sync()
        for path in files:
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
        if self.drop == "caches":
            self._drop_caches()
        self.resident = max(self.resident, resident_bytes(files))
        self.server.start(self.cpus, shared_buffers=str(self.buffers))

    def _drop_caches(self):
        try:
            with open("/proc/sys/vm/drop_caches", "w") as f:
                f.write("3\n")
        except OSError as error:
            say(f"  drop_caches: {error.strerror}; posix_fadvise alone")
            self.drop = "fadvise"


def resident_bytes(files):
    """How much of the files the page cache holds."""
    total = 0
    for start in range(0, len(files), 500):
        done = subprocess.run(["fincore", "--json", "--bytes", *files[start:start + 500]],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=False)
        listed = json.loads(done.stdout or '{"fincore": []}')["fincore"]
        total += sum(int(entry["res"]) for entry in listed)
    return total


def time_cold(system, ef, numbers):
    """Each query once, in this session; milliseconds.  Planning comes first, as
    it reads the catalogs for any query of a new session."""
    cursor = system.searcher(ef, by_number=False)
    texts = [as_text(system.data.queries[number]) for number in numbers]
    spans = []
    for text in texts:
        start = time.perf_counter()
        cursor.execute(f"EXECUTE search ('{text}')")
        cursor.fetchall()
        spans.append((time.perf_counter() - start) * 1e3)
    cursor.connection.close()
    return spans


def cold(server, systems, found, builds, args, turn):
    """Curves of single queries on a cold server, around the target recalls."""
    smallest = min(builds[system.name]["index_bytes"] for system in systems)
    start = ColdStart(server, max(MIN_BUFFERS, smallest // 10 // 8192), args.drop, args.cpus)
    result = {"shared_buffers_bytes": start.buffers * 8192, "curves": {}}
    names = [system.name for system in systems]
    targets = args.targets + [common_recall(found, names, target)[0]
                              for target in args.targets]
    for system in systems:
        result["curves"][system.name] = [
            {"ef": p["ef"], "recall": p["recall"], "rounds": []}
            for p in points_around(found[system.name], targets)]
    for number in range(args.cold_rounds):
        order = np.random.default_rng(number).permutation(len(systems[0].data.queries))
        for position in range(max(map(len, result["curves"].values()))):
            for system in systems:
                points = result["curves"][system.name][position:position + 1]
                for point in points:
                    with turn():
                        start()
                        spans = time_cold(system, point["ef"],
                                          order[:args.cold_queries])
                    point["rounds"].append({"qps": 1e3 / statistics.fmean(spans),
                                            "p50_ms": statistics.median(spans)})
                    say(f"  cold, {system.name} ef {point['ef']}: "
                        f"{statistics.fmean(spans):.2f} ms a query")
    result["dropped_by"] = start.drop
    result["resident_bytes_after_drop"] = start.resident
    return result


def points_around(curve, targets):
    """The points that the targets are interpolated between, in order; where a
    target is not enclosed, the first point that reaches it."""
    wanted = []
    for target in targets:
        wanted += around(curve, target)[:2] or [reaching(curve, target)]
    return [point for point in curve if any(point is w for w in wanted)]


def flat(systems, count, turn):
    """Exact answers by every system, queries taking turns."""
    times = {system.name: [] for system in systems}
    wrong = dict.fromkeys(times, 0)
    truth = systems[0].data.truth()
    for number in range(-1, count):
        for system in systems:
            with turn(), contextlib.closing(_Single(system)) as session:
                session.run(max(number, 0))
                microseconds, ids = session.run(max(number, 0))
            if number >= 0:
                times[system.name].append(microseconds)
                wrong[system.name] += truth.recalled(number, ids) != K
    for name, values in times.items():
        say(f"  {name}: {statistics.median(values) / 1e3:,.1f} ms a query, "
            f"{wrong[name]} of {count} not exact")
    return {name: {"us": values, "not_exact": wrong[name]}
            for name, values in times.items()}


class _Single:
    """A session for one query at a time."""

    def __init__(self, system):
        self.cursor = system.searcher()

    def run(self, number):
        start = time.perf_counter()
        self.cursor.execute(f"EXECUTE search ({number})")
        ids = [row[0] for row in self.cursor.fetchall()]
        return (time.perf_counter() - start) * 1e6, ids

    def close(self):
        self.cursor.connection.close()


def growth(sizes, data, target, args, turn):
    """For each (rows, system): the points around a recall, timed in turns."""
    result, entries = [], []
    for rows, system in sizes:
        say(f" {rows:,} rows")
        points = measure_points(system, data.truth(rows),
                                args.ef.get(system.name, system.default_efs), turn,
                                target)
        points = points_around(points, [target])
        result.append({"rows": rows, "target": target, "curve": points})
        entries.append((system, points, 1))
    time_in_turns(entries, args.rounds, args.seconds, turn)
    return result
