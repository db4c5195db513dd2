"""What bench/run.sh and bench/write.sh share: arguments, folders, versions."""
import argparse
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile

import sets
from recall import positive
from server import ROOT, BenchError

BENCH = os.path.join(ROOT, "bench")


def word_list(choices):
    def parse(text):
        words = [] if text == "none" else text.split(",")
        if not set(words) <= set(choices):
            raise argparse.ArgumentTypeError(f"choose among {', '.join(choices)}")
        return words
    return parse


def numbers(text):
    return [positive(word) for word in text.split(",")]


def named(text):
    """NAME or NAME:OPTIONS."""
    name, _, options = text.partition(":")
    return name, options


def generated(text):
    rows, dimensions, *clusters = numbers(text)
    return rows, dimensions, (clusters or [100])[0]


def add_set_arguments(parser):
    what = parser.add_argument_group("which rows")
    what.add_argument("--set", action="append", dest="sets", metavar="NAME",
                      help="a set in a data folder; may be repeated (mnist-10k)")
    what.add_argument("--data", action="append", metavar="DIR",
                      help="a folder of sets, before bench/data and test/data")
    what.add_argument("--base", metavar="FILE", help="rows: fvecs, fbin, u8bin, ...")
    what.add_argument("--query", metavar="FILE", help="the queries of --base")
    what.add_argument("--generate", action="append", type=generated,
                      metavar="N,D[,CLUSTERS]", help="a generated set")
    what.add_argument("--metric", choices=sorted(sets.METRICS))
    what.add_argument("--limit-rows", type=positive, metavar="N")
    what.add_argument("--limit-queries", type=positive, metavar="N")


def add_place_arguments(parser, rebuildable):
    where = parser.add_argument_group("where it runs")
    where.add_argument("--chroot", metavar="DIR",
                       default=os.environ.get("VECAM_CHROOT", "/tmp/trixie"))
    where.add_argument("--keep", metavar="DIR",
                       help="keep the server of each set in DIR, and use it again")
    where.add_argument("--rebuild", type=word_list(rebuildable), default=[],
                       metavar="LIST", help="load and build these anew")
    where.add_argument("--no-build", action="store_true",
                       help="vecam as it was installed in the kept server")
    where.add_argument("--shared-buffers", type=positive, metavar="MB",
                       help="default: a quarter of the memory")
    where.add_argument("--maintenance-work-mem", type=positive, metavar="MB",
                       help="default: a third of the memory")
    where.add_argument("--cpus", metavar="LIST",
                       help="pin the server and the timed client, as taskset -c")
    where.add_argument("--build-cpus", metavar="LIST", help="pin loading and building")
    where.add_argument("--lock", metavar="FILE",
                       help="hold this lock (flock) during each timing")
    where.add_argument("--results", metavar="DIR", default=os.path.join(BENCH, "results"))
    return where


def complete(args, parser):
    """What the arguments above imply."""
    if bool(args.base) != bool(args.query):
        parser.error("--base and --query go together")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    args.memory = {"shared_buffers": args.shared_buffers or memory // 4,
                   "maintenance_work_mem": args.maintenance_work_mem or memory // 3}
    args.own_data = os.path.join(BENCH, "data")
    args.data = (args.data or []) + [args.own_data, os.path.join(ROOT, "test", "data")]


def source_version():
    """The commit of this tree, if it is one of git's."""
    def git(*command):
        done = subprocess.run(["git", "-C", ROOT, *command], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "--short", "HEAD")
    return {"vecam_commit": commit,
            "vecam_modified": bool(git("status", "--porcelain", "--", "src", "*.sql"))}


@contextlib.contextmanager
def bench_folder(keep, name):
    """The folder of one set's server, for this bench alone; removed in the end
    unless it is kept."""
    folder = (os.path.join(os.path.abspath(keep), name) if keep
              else tempfile.mkdtemp(prefix="vecam-bench.", dir="/tmp"))
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, "lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BenchError(f"{folder} is in use by another bench") from None
        try:
            yield folder
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
