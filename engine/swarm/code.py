"""Code by its content: the editable files of an experiment, stored once under their hash."""

import json
import zlib

from engine.swarm.api import SwarmError
from engine.swarm.canonical import NotCanonical, canonical, digest

MOST_BYTES = 1 << 20
"""The most that the files of one experiment may hold together."""


def hash_of(files: dict[str, str]) -> str:
    """SHA-256 (hex) over the canonical JSON of {name: text}. Errors: SwarmError("bounds")."""
    try:
        return digest(files)
    except NotCanonical as error:
        raise SwarmError(f"the code is not text: {error}", "bounds") from error


def pack(files: dict[str, str], hash: str) -> bytes:
    """The bytes to store. Errors: SwarmError: "bounds" (names or texts that cannot be), "size", "code" (other hash)."""
    if not files or not all(_plain(name) for name in files):
        raise SwarmError("the code's file names must be plain relative names", "bounds")
    if not all(isinstance(text, str) for text in files.values()):
        raise SwarmError("the code's files must be text", "bounds")
    if hash_of(files) != hash:
        raise SwarmError("the code that was sent is not the code that the record names", "code")
    text = canonical(files)
    if len(text) > MOST_BYTES:
        raise SwarmError(f"the code has {len(text)} bytes; the most is {MOST_BYTES}", "size")
    return zlib.compress(text)


def unpack(stored: bytes, hash: str) -> dict[str, str]:
    """The files again, checked against their hash. Errors: SwarmError("code")."""
    try:
        inflate = zlib.decompressobj()
        text = inflate.decompress(stored, MOST_BYTES + 1)
        files = json.loads(text)
    except (zlib.error, ValueError) as error:
        raise SwarmError(f"the stored code {hash[:12]} is broken: {error}", "code") from error
    if (
        not isinstance(files, dict)
        or not all(isinstance(text, str) for text in files.values())
        or (hash_of(files) != hash)
    ):
        raise SwarmError(f"the stored code is not what its hash {hash[:12]} says", "code")
    return files


def _plain(name: str) -> bool:
    parts = name.casefold().split("/")
    return 0 < len(name) <= 200 and name.isprintable() and not {"", ".", "..", ".git", ".overnight"} & set(parts)
