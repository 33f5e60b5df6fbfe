"""Becoming a member: invitations, names, keys, and codes that come by e-mail."""

import re
import threading
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from engine.swarm import calls
from engine.swarm.api import SwarmError
from engine.swarm.hub.mail import sender
from engine.swarm.keys import KeyPair
from tests.swarm.actor import Actor
from tests.swarm.hubprocess import free_port
from tests.swarm.loopback import Loopback, hub


class Sink:
    """A mailbox: what was sent, in order."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str]] = []
        self.came = threading.Event()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        body = message_from_bytes(envelope.content).get_payload()
        self.mails.append((list(envelope.rcpt_tos), str(body)))
        self.came.set()
        return "250 OK"

    def code(self) -> str:
        """The newest code."""
        found = re.search(r"Your code: (\d{8})\b", self.mails[-1][1])
        assert found is not None, self.mails
        return found[1]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Loopback]:
    with hub(tmp_path) as found:
        yield found


@pytest.fixture
def sink() -> Iterator[tuple[Sink, dict[str, str]]]:
    box = Sink()
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    port = str(controller.port)
    try:
        yield box, {"OVERNIGHT_SMTP_HOST": "127.0.0.1", "OVERNIGHT_SMTP_PORT": port, "OVERNIGHT_SMTP_TLS": "off"}
    finally:
        controller.stop()


@pytest.fixture
def proving(tmp_path: Path, sink: tuple[Sink, dict[str, str]]) -> Iterator[Loopback]:
    with hub(tmp_path, mail=sender(sink[1])) as found:
        yield found


def refusal(call: Any) -> str:
    """The code it is refused with."""
    with pytest.raises(SwarmError) as told:
        call()
    return told.value.code


def test_an_invitation_makes_so_many_members_as_it_says(plain: Loopback) -> None:
    invitation = plain.store.invite(uses=2)
    for name in ("amy", "bob"):
        member = Actor(plain.client(), name).join(invitation, machine="a desk")
        assert (member.name, member.machine, member.revoked) == (name, "a desk", 0.0)
    assert refusal(lambda: Actor(plain.client(), "cem").join(invitation)) == "invitation"
    assert {member.name for member in plain.store.members()} == {"amy", "bob"}


def test_joining_again_with_the_same_key_and_name_is_the_same_member_and_uses_nothing_up(plain: Loopback) -> None:
    invitation = plain.store.invite(uses=2)
    amy = Actor(plain.client(), "amy")
    first = amy.join(invitation)
    assert amy.join(invitation).id == first.id == amy.key.member
    assert Actor(plain.client(), "bob").join(invitation).name == "bob"
    assert refusal(lambda: Actor(plain.client(), "amanda", amy.key).join(plain.store.invite())) == "name"


@pytest.mark.parametrize("invitation", ["", "x", "A" * 32, "' OR 1=1"])
def test_without_an_invitation_nobody_joins(plain: Loopback, invitation: str) -> None:
    assert refusal(lambda: Actor(plain.client(), "amy").join(invitation)) == "invitation"
    assert plain.store.members() == []


def test_an_invitation_ends(plain: Loopback) -> None:
    assert refusal(lambda: Actor(plain.client(), "amy").join(plain.store.invite(hours=-1))) == "invitation"


def test_a_refused_name_uses_no_invitation_up(plain: Loopback) -> None:
    plain.member("amy")
    invitation = plain.store.invite()
    assert refusal(lambda: Actor(plain.client(), "Amy").join(invitation)) == "name"
    assert Actor(plain.client(), "bob").join(invitation).name == "bob"


def test_a_key_must_be_held_by_whoever_joins_with_it(plain: Loopback) -> None:
    invitation, own, other = plain.store.invite(), KeyPair.make(), KeyPair.make()
    client, swarm = plain.client(), plain.store.connect().swarm
    proof = own.sign(calls.joining(swarm, invitation, "amy", other.public))
    assert refusal(lambda: client.join(invitation, "amy", other.public, proof)) == "signature"
    for said in (("x", "amy"), (invitation, "bob")):  # a proof is for one invitation and one name
        proof = own.sign(calls.joining(swarm, said[0], said[1], own.public))
        assert refusal(lambda proof=proof: client.join(invitation, "amy", own.public, proof)) == "signature"  # type: ignore[misc]
    assert plain.store.members() == []


def test_of_two_who_want_one_name_at_once_one_gets_it(plain: Loopback) -> None:
    invitation, told = plain.store.invite(uses=8), []

    def join() -> None:
        try:
            Actor(plain.client(), "amy").join(invitation)
            told.append("joined")
        except SwarmError as error:
            told.append(error.code)

    threads = [threading.Thread(target=join) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(told) == ["joined"] + ["name"] * 5
    assert [member.name for member in plain.store.members()] == ["amy"]


def test_a_code_by_mail_proves_the_address(proving: Loopback, sink: tuple[Sink, dict[str, str]]) -> None:
    key, invitation = KeyPair.make(), proving.store.invite()
    amy = Actor(proving.client(key), "amy", key)
    assert amy.join(invitation, email="amy@example.org") is None
    assert proving.store.members() == []
    assert sink[0].mails[0][0] == ["amy@example.org"]
    assert refusal(lambda: amy.say("hello")) == "member"
    member = amy.swarm.verify(amy.key.member, sink[0].code())
    assert (member.name, member.id) == ("amy", amy.key.member)
    assert amy.say("hello").state == "stored"
    assert [(member.name, member.email) for member in amy.swarm.members()] == [("amy", "")]  # nobody else's business


def test_an_address_is_asked_for_where_it_is_proved(proving: Loopback, sink: tuple[Sink, dict[str, str]]) -> None:
    amy, invitation = Actor(proving.client(), "amy"), proving.store.invite()
    assert refusal(lambda: amy.join(invitation)) == "bounds"
    for address in ("amy", "amy@", "@x", "a b@x", "amy@x\r\nBcc: all@x", "<amy@x>"):
        assert refusal(lambda address=address: amy.join(invitation, email=address)) == "bounds"  # type: ignore[misc]
    assert sink[0].mails == []


def test_a_wrong_code_may_be_given_five_times(proving: Loopback, sink: tuple[Sink, dict[str, str]]) -> None:
    amy = Actor(proving.client(), "amy")
    amy.join(proving.store.invite(), email="amy@example.org")
    right = sink[0].code()
    wrong = "00000000" if right != "00000000" else "11111111"
    for _ in range(5):
        assert refusal(lambda: amy.swarm.verify(amy.key.member, wrong)) == "code"
    assert refusal(lambda: amy.swarm.verify(amy.key.member, right)) == "code"
    assert proving.store.members() == []


def test_nobody_is_flooded_with_codes(proving: Loopback, sink: tuple[Sink, dict[str, str]]) -> None:
    amy, invitation = Actor(proving.client(), "amy"), proving.store.invite()
    amy.join(invitation, email="victim@example.org")
    assert refusal(lambda: amy.join(invitation, email="victim@example.org")) == "rate"
    assert len(sink[0].mails) == 1
    assert amy.swarm.verify(amy.key.member, sink[0].code()).name == "amy"  # the first code still holds


def test_a_mail_server_that_is_gone_uses_no_invitation_up(tmp_path: Path, sink: tuple[Sink, dict[str, str]]) -> None:
    box, settings = sink
    where = {"port": str(free_port())}

    def mail(address: str, code: str) -> None:
        found = sender({**settings, "OVERNIGHT_SMTP_PORT": where["port"]})
        assert found is not None
        found(address, code)

    with hub(tmp_path, mail=mail) as found:
        amy, invitation = Actor(found.client(), "amy"), found.store.invite()
        with pytest.raises(SwarmError, match="could not be sent"):
            amy.join(invitation, email="amy@example.org")
        where["port"] = settings["OVERNIGHT_SMTP_PORT"]  # it is back
        assert amy.join(invitation, email="amy@example.org") is None
        assert amy.swarm.verify(amy.key.member, box.code()).name == "amy"


def test_settings_for_mail_are_checked_before_the_first_mail() -> None:
    assert sender({}) is None
    for wrong in (
        {"OVERNIGHT_SMTP_TLS": "maybe"},
        {"OVERNIGHT_SMTP_PORT": "x"},
        {"OVERNIGHT_SMTP_TLS": "off"},  # in the clear over a network
    ):
        assert refusal(lambda wrong=wrong: sender({"OVERNIGHT_SMTP_HOST": "mail.example.org", **wrong})) == "mail"  # type: ignore[misc]
