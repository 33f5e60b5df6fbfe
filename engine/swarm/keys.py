"""A member's key: ed25519, made when it joins, kept in a file that only its owner reads."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from engine.swarm.api import SwarmError
from engine.swarm.canonical import canonical
from engine.swarm.records import Record

_KEY = re.compile(r"[0-9a-f]{64}")


class KeyPair:
    """A private key and what follows from it. `public` is 64 hex digits, `member` the sha256 of the key's 32 bytes."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.public_key().public_bytes_raw()
        self.public, self.member = raw.hex(), hashlib.sha256(raw).hexdigest()

    @classmethod
    def make(cls) -> "KeyPair":
        """A fresh one."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "KeyPair":
        """Read a key file. Errors: SwarmError, in words, for one that is missing, open to others or broken."""
        try:
            if path.stat().st_mode & 0o077:
                raise SwarmError(f"{path}: others may read this key; mend: chmod 600 {path}", "key")
            return cls(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text(encoding="ascii").strip())))
        except (OSError, ValueError) as error:
            raise SwarmError(f"{path}: no usable key ({error}); join the swarm again to make one", "key") from error

    def save(self, path: Path) -> None:
        """Write the key to a new file, mode 0600. Errors: FileExistsError: a key is never overwritten; OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(self._private.private_bytes_raw().hex() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def sign(self, value: Any) -> str:
        """Hex signature over the value's canonical bytes. Errors: NotCanonical."""
        return self._private.sign(canonical(value)).hex()

    def signed(self, record: Record) -> Record:
        """`record` as this member's own, signed."""
        own = msgspec.structs.replace(record, member=self.member, signature="")
        return msgspec.structs.replace(own, signature=self.sign(own))


def member_of(public: str) -> str:
    """The member's id that belongs to a public key (64 hex digits). Errors: SwarmError("signature")."""
    try:
        if not _KEY.fullmatch(public):  # one text for one key
            raise ValueError("64 small hexadecimal digits are expected")
        raw = bytes.fromhex(public)
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise SwarmError(f"not an ed25519 public key: {error}", "signature") from error
    return hashlib.sha256(raw).hexdigest()


def check(public: str, value: Any, signature: str) -> None:
    """Whether `signature` is the key's over `value`. Errors: SwarmError("signature"), NotCanonical."""
    signed = canonical(value)
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), signed)
    except (InvalidSignature, ValueError) as error:
        raise SwarmError("the signature does not fit the record and the member's key", "signature") from error


def check_record(record: Record, public: str) -> None:
    """Whether a record is its member's own. Errors: as `check`."""
    if member_of(public) != record.member:
        raise SwarmError("the key is not that of the member who is named", "signature")
    check(public, msgspec.structs.replace(record, signature=""), record.signature)
