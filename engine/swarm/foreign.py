"""Other members' results and code as a reader takes them: checked again, whoever stored them."""

from engine.swarm.api import Row, Swarm, SwarmError
from engine.swarm.checks import read
from engine.swarm.code import hash_of
from engine.swarm.collective import Foreign
from engine.swarm.keys import check_record
from engine.swarm.records import Result


def result_of(row: Row, swarm: str) -> Result:
    """The row's result, its signature, swarm and bounds checked. Errors: SwarmError."""
    if row.record.swarm != swarm:
        raise SwarmError("the record was made for another swarm", "signature")
    check_record(row.record, row.key)
    body = read(row.record)
    if not isinstance(body, Result):
        raise SwarmError(f"{row.record.id[:8]} is no result but a {row.record.kind}", "bounds")
    return body


def fetch(swarm: Swarm, id: str, name: str) -> Foreign:
    """A result with its code; `name` is the swarm's id. Errors: SwarmError, for code that was banned, too."""
    row = swarm.result(id)
    if row is None:
        raise SwarmError(f"there is no result {id[:12]} in this swarm", "missing")
    if row.state == "banned":
        raise SwarmError(f"this code is not to be had: {row.reason}", "banned")
    return with_code(swarm, row, name)


def with_code(swarm: Swarm, row: Row, name: str) -> Foreign:
    """The row's result with its code, both checked. Errors: SwarmError."""
    body = result_of(row, name)
    files = swarm.code(body.code)
    if hash_of(files) != body.code:
        raise SwarmError(f"the code of result {row.record.id[:8]} is not what its hash says", "code")
    return Foreign(
        id=row.record.id,
        name=row.name,
        description=body.description,
        files=files,
        metric=row.verified if row.verified is not None else body.metric,
        state=row.state,
        klass=body.klass,
        seed=body.seed,
        code=body.code,
    )


def find(text: str, rows: list[Row], what: str = "results") -> str:
    """The whole id that `text`, its beginning, stands for among `rows`, which are `what` in the command line's words.

    Errors: SwarmError("missing").
    """
    if len(text) == 32:
        return text
    found = sorted({row.record.id for row in rows if text and row.record.id.startswith(text)})
    if len(found) != 1:
        raise SwarmError(
            f"{text!r} is the beginning of {len(found) or 'none'} of the {len(rows)} newest {what};"
            f" overnight swarm {what} lists them",
            "missing",
        )
    return found[0]
