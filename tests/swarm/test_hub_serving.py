"""`overnight swarm serve`, invite, revoke and ban as their users run them."""

import argparse
import json
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import psutil
import pytest

from engine.cli.output import Output
from engine.cli.swarm import serve
from engine.swarm import embedded
from engine.swarm.api import SwarmError, Unreachable
from engine.swarm.client import Client
from engine.swarm.keys import KeyPair
from tests.swarm.hubprocess import HubProcess, overnight


def test_serve_listens_on_loopback_and_ends_in_order_when_asked_to(tmp_path: Path) -> None:
    with HubProcess(str(tmp_path / "deep" / "swarm.db"), tmp_path, "--name", "lab") as found:
        assert found.client().connect().name == "lab"
        assert found.process is not None
        listening = {c.laddr.ip for c in psutil.Process(found.process.pid).net_connections() if c.status == "LISTEN"}
        assert listening == {"127.0.0.1"}
        assert found.end() == 0
        assert "warning" not in found.log.read_text()
    with HubProcess(found.database, tmp_path, "--host", "0.0.0.0") as told:
        assert told.client().connect().name == "lab"
        assert "without TLS" in told.log.read_text()
    command = overnight("swarm", "serve", "--database", found.database, "--host", "203.0.113.7")
    assert command.returncode == 4 and "cannot listen on 203.0.113.7" in command.stderr


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = overnight("swarm", "serve", "--database", str(tmp_path / "s.db"), "--port", port)
    assert done.returncode == 4 and "choose others by --host and --port" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("serve", "--database", "mysql://x/y"), 4, "SQLite"),
        (("serve", "--database", "postgresql://u:hunter2@127.0.0.1:1/x"), 1, "database"),
        (("serve", "--database", "mssql://u:hunter2@h/x"), 4, "PostgreSQL"),
        (("serve", "--port", "70000"), 2, "no port"),
        (("serve", "--tls-key", "x"), 2, "go together"),
        (("invite", "--database", "nowhere.db"), 4, "there is no swarm"),
        (("invite", "--uses", "0"), 2, "from 1"),
        (("revoke", "--database", "nowhere.db", "amy"), 4, "there is no swarm"),
    ],
)
def test_mistakes_are_told_in_words_and_no_password_is(words: tuple[str, ...], code: int, told: str) -> None:
    done = overnight("swarm", *words)
    assert (done.returncode, told in done.stderr) == (code, True), done
    assert "Traceback" not in done.stderr and "hunter2" not in done.stderr + done.stdout


@pytest.mark.parametrize("address", ["{}/swarm.db", "sqlite:///{}/swarm.db"])
def test_a_file_on_a_network_file_system_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(embedded, "file_system", lambda path, mounts=None: "nfs4")
    parser = argparse.ArgumentParser()
    serve.arguments(parser, "swarm serve")
    args = parser.parse_args(["--database", address.format(tmp_path), "--port", "0"])
    args.verb = "swarm serve"
    with pytest.raises(SwarmError, match="nfs4"):
        serve.run(args, Output(json=False))
    assert not list(tmp_path.iterdir())


def test_the_owner_invites_and_revokes_while_the_hub_runs(tmp_path: Path) -> None:
    from tests.swarm.actor import Actor

    with HubProcess(str(tmp_path / "swarm.db"), tmp_path) as found:
        key = KeyPair.make()
        amy = Actor(found.client(key), "amy", key)
        amy.join(found.invite())
        amy.say("here")
        done = overnight("swarm", "revoke", "--database", found.database, "amy")
        assert done.returncode == 0 and "amy is revoked" in done.stdout
        with pytest.raises(SwarmError) as told:
            amy.say("still here")
        assert told.value.code == "revoked"
        again = overnight("swarm", "revoke", "--database", found.database, "amy")
        assert again.returncode == 4 and "was revoked before; --results" in again.stderr
        done = overnight("swarm", "revoke", "--database", found.database, "amy", "--results")
        assert done.returncode == 0 and "its results are withdrawn" in done.stdout
        found.process.send_signal(signal.SIGINT)  # type: ignore[union-attr]
        assert found.process.wait(60) == 0  # type: ignore[union-attr]


def test_the_owner_bans_code_that_cheats_and_lifts_that(tmp_path: Path) -> None:
    from tests.swarm.actor import Actor

    def ban(*words: str) -> "subprocess.CompletedProcess[str]":
        return overnight("swarm", "ban", "--database", found.database, *words)

    with HubProcess(str(tmp_path / "swarm.db"), tmp_path) as found:
        key = KeyPair.make()
        amy = Actor(found.client(key), "amy", key)
        amy.join(found.invite())
        id = amy.tell("cheat", 0.9).id
        done = ban(id[:8], "--reason", "it reads the\x1b[31m shard")
        assert done.returncode == 0 and f"banned: no result of this code counts ({id[:8]} by amy)" in done.stdout
        row = amy.swarm.result(id)
        assert row is not None and row.state == "banned" and not amy.swarm.best()
        assert ban(id[:8]).stdout == "it is banned already\n"
        for wrong, code, why in (
            (("nowhere",), 4, "the beginning of no result"),
            ((id, "--reason", " "), 2, "expected 1 to 300"),
            ((id, "--reason", "x" * 301), 2, "expected 1 to 300"),
        ):
            done = ban(*wrong)
            assert done.returncode == code and why in done.stderr
        assert "ban is lifted" in ban(id, "--lift").stdout and len(amy.swarm.best()) == 1
        assert json.loads(ban(id, "--lift", "--json").stdout) == {"lifted": True, "results": []}


def test_https_with_a_certificate_that_members_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed(tmp_path)
    with HubProcess(
        str(tmp_path / "swarm.db"), tmp_path, "--tls-certificate", certificate, "--tls-key", key, scheme="https"
    ) as found:
        with pytest.raises(Unreachable, match="certificate"):
            Client(found.url, timeout_s=30).connect()
        monkeypatch.setattr(ssl, "create_default_context", lambda: ssl._create_unverified_context(cafile=certificate))
        assert Client(found.url, timeout_s=30).connect().name == "swarm"


def self_signed(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and its key."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    own = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(own, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "hub.pem").write_bytes(made.public_bytes(pem))
    (folder / "hub.key").write_bytes(own.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return str(folder / "hub.pem"), str(folder / "hub.key")
