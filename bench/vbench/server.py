"""The private PostgreSQL 17 server in the chroot, with vecam and pgvector.

The server runs in namespaces that end with it (scripts/chroot-trixie.sh), sees
its folder as /bench, and uses its own copies of PostgreSQL's library and
extension folders, so that installing vecam into them disturbs nobody else.  It
lives as long as the pipe to its standard input: whatever happens to the bench,
no server is left behind.
"""
import contextlib
import hashlib
import os
import shutil
import subprocess

import psycopg2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHROOT_SCRIPT = os.path.join(ROOT, "scripts", "chroot-trixie.sh")

PG = "usr/lib/postgresql/17"
# Folder of the bench, what it stands for in the chroot.
PRIVATE_FOLDERS = {"lib": PG + "/lib", "extension": "usr/share/postgresql/17/extension"}
PORT = 5432
SOCKET_LIMIT = 107

# Values in the units of pg_settings.setting, so that they can be compared.
FIXED_SETTINGS = {"jit": "off", "fsync": "off", "autovacuum": "off",
                  "max_parallel_workers_per_gather": "0",
                  "max_parallel_maintenance_workers": "0",
                  "max_wal_size": "16384", "checkpoint_timeout": "3600",
                  "wal_level": "minimal", "max_wal_senders": "0",
                  "max_connections": "100"}

INITDB = f"""
mkdir -p /bench/socket
chown postgres: /bench/socket
chmod 700 /bench/socket
[ -d /bench/data ] && exit 0
install -d -o postgres -m 700 /bench/data.new
runuser -u postgres -- /{PG}/bin/initdb -D /bench/data.new -U postgres \
	--auth=trust --encoding=UTF8 --locale=C --no-sync
mv /bench/data.new /bench/data
"""

# Prints a line once the server is up, and stops it when its input ends.
SERVE = f"""
cd /
control() {{ runuser -u postgres -- /{PG}/bin/pg_ctl -D /bench/data -w -t 3600 "$@"; }}
install -o postgres -m 600 /dev/null /bench/server.log
control -l /bench/server.log -o "$1" start >&2 || {{ cat /bench/server.log >&2; exit 1; }}
echo up
read -r line
control -m fast stop >&2
"""

BUILD = f"""
make -s -O -C /bench/src -j "$1" PG_CONFIG=/{PG}/bin/pg_config
make -s -C /bench/src install PG_CONFIG=/{PG}/bin/pg_config
"""


class BenchError(Exception):
    """Something that ends the bench, told to the user without a traceback."""


def _run(command, what):
    """Runs a program; its output appears only if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode != 0:
        raise BenchError(f"{what} failed:\n{done.stdout[-4000:]}")


class Server:
    """The server whose data, socket and installed files lie in folder."""

    def __init__(self, chroot, folder, memory):
        """memory: shared_buffers and maintenance_work_mem in megabytes."""
        self.chroot, self.folder = chroot, folder
        self.socket = os.path.join(folder, "socket")
        if len(f"{self.socket}/.s.PGSQL.{PORT}") > SOCKET_LIMIT:
            raise BenchError(f"{folder}: too long a path for a unix socket")
        self.settings = dict(FIXED_SETTINGS)
        self.settings["shared_buffers"] = str(memory["shared_buffers"] * 128)
        self.settings["maintenance_work_mem"] = str(memory["maintenance_work_mem"] * 1024)
        self.process = None

    def prepare(self):
        """Makes the chroot, the private folders and the empty server."""
        subprocess.run([CHROOT_SCRIPT, self.chroot], check=True)
        for name, place in PRIVATE_FOLDERS.items():
            target = os.path.join(self.folder, name)
            if not os.path.exists(target):
                shutil.copytree(os.path.join(self.chroot, place), target + ".new",
                                symlinks=True)
                os.rename(target + ".new", target)
        _run(self._inside("bash", "-ec", INITDB), "initdb")

    def _inside(self, *command):
        """The command that runs command in the chroot."""
        binds = [f"{self.folder}:/bench"]
        binds += [f"{self.folder}/{name}:/{place}"
                  for name, place in PRIVATE_FOLDERS.items()]
        return [CHROOT_SCRIPT, self.chroot,
                *(word for bind in binds for word in ("--bind", bind)),
                "--", *command]

    def install_vecam(self):
        """Builds this tree's vecam in the chroot and installs it for the server."""
        source = os.path.join(self.folder, "src")
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(
            ".git", "*.o", "*.so", "*.bc", "data", "results", "build", "tmp_check"))
        _run(self._inside("bash", "-ec", BUILD, "-", str(os.cpu_count())),
             "building vecam")

    def vecam_checksum(self):
        """Of the library, to tell builds apart."""
        with open(os.path.join(self.folder, "lib", "vecam.so"), "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()[:16]

    def start(self, cpus=None, **settings):
        """Starts on the given cpus (all if None), with other settings if given."""
        self.stop()
        self.running = {**self.settings, **settings}
        options = " ".join(f"-c {name}={value}" for name, value in self.running.items())
        options += f" -c listen_addresses= -c unix_socket_directories=/bench/socket -p {PORT}"
        pin = ["taskset", "-c", cpus] if cpus else []
        with open(os.path.join(self.folder, "control.log"), "w") as log:
            self.process = subprocess.Popen(
                [*pin, *self._inside("bash", "-c", SERVE, "-", options)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True)
        if not self.process.stdout.readline():
            with open(log.name) as log:
                raise BenchError(f"the server did not start:\n{log.read()}")
        self.verify()

    def stop(self):
        """Stops the server, if it runs, with a checkpoint."""
        if self.process is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def connect(self, database, options=None):
        """A cursor of a new connection, with settings for its session."""
        connection = psycopg2.connect(
            host=self.socket, port=PORT, user="postgres", dbname=database,
            options=as_options(options or {}))
        connection.autocommit = True
        return connection.cursor()

    def verify(self):
        """Ends the bench unless the server runs with the settings it was given."""
        check_settings(self.connect("postgres"), self.running)

    def data_path(self, path):
        """A path below the data directory, as this system sees it."""
        return os.path.join(self.folder, "data", path)


def as_options(settings):
    """Settings of a session as a connection string's options (PGOPTIONS)."""
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def check_settings(cursor, wanted):
    """Ends the bench unless pg_settings shows the wanted values; returns them."""
    cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY (%s)",
                   (list(wanted),))
    found = dict(cursor.fetchall())
    wrong = {name: found.get(name) for name, value in wanted.items()
             if found.get(name) != str(value)}
    if wrong:
        raise BenchError(f"settings differ from {wanted}: {wrong}")
    return found
