"""A PostgreSQL server for tests: Debian's package, a folder of its own, a Unix socket there and no TCP port."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

USER, SHARED = "postgres", "emptied_for_each_test"
START_S = 60
QUICK = "-c fsync=off -c full_page_writes=off -c max_connections=100"
"""A server that need not outlive its machine."""


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, of the newest version installed; None without."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    known = shutil.which("initdb")
    return Path(known).resolve().parent if known else None


class Server:
    """A cluster in a folder. It runs as `postgres` where the tests run as root, for initdb refuses root."""

    def __init__(self, folder: Path, bin: Path, options: str = QUICK) -> None:
        self.folder, self.bin, self.data, self.options = folder, bin, folder / "data", options
        self._as = pwd.getpwnam(USER) if os.geteuid() == 0 else None

    def make(self) -> None:
        """Create the cluster."""
        if self._as is not None:
            os.chown(self.folder, self._as.pw_uid, self._as.pw_gid)
        self._do("initdb", "-D", str(self.data), "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start it and wait until it answers."""
        where = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' {self.options}"
        log = str(self.folder / "server.log")
        self._do("pg_ctl", "-D", str(self.data), "-l", log, "-w", "-t", str(START_S), "-o", where, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: "fast" in order, "immediate" as a power cut would."""
        self._do("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", str(START_S), "stop")

    def database(self, name: str) -> str:
        """The address of a new, empty database."""
        self._do("createdb", "-h", str(self.folder), "-U", USER, name)
        return self.url(name)

    def emptied(self) -> str:
        """The address of a database with nothing in it any more: quicker than a new one, and it fills no disk."""
        url = self.url(SHARED)
        with psycopg.connect(url.replace(SHARED, USER), autocommit=True) as own:
            if own.execute("SELECT 1 FROM pg_database WHERE datname = %s", [SHARED]).fetchone() is None:
                own.execute(f"CREATE DATABASE {SHARED}")
        with psycopg.connect(url, autocommit=True) as own:
            own.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                        " AND datname = current_database()")  # fmt: skip
            own.execute("DROP SCHEMA public CASCADE")
            own.execute("CREATE SCHEMA public")
        return url

    def url(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://{USER}@/{name}?host={quote(str(self.folder), safe='/')}"

    def _do(self, program: str, *words: str) -> None:
        user = {"user": self._as.pw_uid, "group": self._as.pw_gid, "extra_groups": []} if self._as else {}
        done = subprocess.run([str(self.bin / program), *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, cwd="/", timeout=2 * START_S, **user)  # type: ignore[call-overload]  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr.decode(errors='replace')}"


@contextlib.contextmanager
def server(options: str = QUICK) -> Iterator[Server]:
    """A running server, gone at the end; skips the test where PostgreSQL is not installed."""
    bin = programs()
    if bin is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if os.geteuid() == 0 and USER not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip(f"root cannot run PostgreSQL, and there is no user {USER}")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is 107 bytes at most
    found = Server(folder, bin, options)
    try:
        found.make()
        found.start()
        yield found
    finally:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            found.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
