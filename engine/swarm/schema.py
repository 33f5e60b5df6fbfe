"""The swarm's tables, the same for SQLite and PostgreSQL.

A record lies in `records` as it was signed; the other tables are what the store reads out of it, for its queries. Times
are unix seconds by the store's own clock but for `at`, which is what the member said.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)

VERSION = 1

metadata = MetaData()

UNDONE = text("result = ''")

swarms = Table(
    "swarms",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("lease_s", Float, nullable=False),
    Column("created", Float, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("email", Text, nullable=False, default=""),
    Column("machine", Text, nullable=False, default=""),
    Column("gpu", Text, nullable=False, default=""),
    Column("joined", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("revoked", Float, nullable=False, default=0.0),
    Column("results", Integer, nullable=False, default=0),
    Column("budget", Float, nullable=False, default=0.0),  # of its token bucket, as of `budget_at`
    Column("budget_at", Float, nullable=False, default=0.0),
)

Index("members_by_name", func.lower(members.c.name), unique=True)

invitations = Table(
    "invitations",
    metadata,
    Column("hash", String(64), primary_key=True),  # sha256 of the token: the token itself is never stored
    Column("made", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("uses", Integer, nullable=False),  # that are left
)

pending = Table(  # those who were sent a code and have not given it back yet
    "pending",
    metadata,
    Column("member", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("email", Text, nullable=False),
    Column("machine", Text, nullable=False, default=""),
    Column("code", String(64), nullable=False),  # its sha256
    Column("tries", Integer, nullable=False, default=0),
    Column("until", Float, nullable=False),
)

claims = Table(  # one row a key: the code as a whole, and the change on its base
    "claims",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("claim", String(32), nullable=False),
    Column("contract", String(64), nullable=False),
    Column("member", String(64), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("token", Integer, nullable=False),
    Column("until", Float, nullable=False),
    Column("result", String(32), nullable=False, default=""),  # once it is done
    Index("claims_by_claim", "claim"),
    Index("claims_held", "contract", "until", sqlite_where=UNDONE, postgresql_where=UNDONE),
    Index("claims_ending", "until", sqlite_where=UNDONE, postgresql_where=UNDONE),
    Index("claims_of_member", "member", "until", sqlite_where=UNDONE, postgresql_where=UNDONE),
)

contracts = Table(  # what a contract's metric is, as its first result said
    "contracts",
    metadata,
    Column("contract", String(64), primary_key=True),
    Column("metric", String(200), nullable=False),
    Column("direction", String(8), nullable=False),
)

codes = Table(
    "codes",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("files", LargeBinary, nullable=False),  # JSON {name: text}, zlib
)

records = Table(
    "records",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("member", String(64), ForeignKey("members.id"), nullable=False),
    Column("stored", Float, nullable=False),
    Column("record", Text, nullable=False),  # canonical JSON with its signature
    Index("records_by_kind", "kind", "seq"),
    Index("records_by_member", "member", "seq"),
)

results = Table(
    "results",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("contract", String(64), nullable=False),
    Column("gpu", String(100), nullable=False),
    Column("tier", String(8), nullable=False),
    Column("member", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("code", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("metric", Float),
    Column("score", Float),  # what is ranked: lower is better whatever the direction; NULL = not ranked
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("decided_by", Text, nullable=False, default=""),
    Column("decided", Float, nullable=False, default=0.0),
    Column("seed", BigInteger, nullable=False),
    Column("verified", Float),  # mean of the verifying trials
    Column("description", Text, nullable=False, default=""),
    Column("stored", Float, nullable=False),
    Index("results_ranked", "contract", "gpu", "state", "score"),
    Index("results_of_member", "contract", "gpu", "member", "state", "score"),
    Index("results_of_code", "contract", "fingerprint"),
    Index("results_newest", "seq"),
    Index("results_newest_of_contract", "contract", "seq"),
    Index("results_newest_of_class", "contract", "gpu", "state", "seq"),
    Index("results_newest_of_member", "member", "seq"),
)

standings = Table(  # counts a class and member, kept as results come in
    "standings",
    metadata,
    Column("contract", String(64), primary_key=True),
    Column("gpu", String(100), primary_key=True),
    Column("member", String(64), primary_key=True),
    Column("tier", String(8), nullable=False),
    Column("direction", String(8), nullable=False, default="lower"),
    Column("results", Integer, nullable=False, default=0),
    Column("keeps", Integer, nullable=False, default=0),
    Column("last", Float, nullable=False, default=0.0),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("result", String(32), ForeignKey("results.id"), nullable=False),
    Column("contract", String(64), nullable=False),
    Column("gpu", String(100), nullable=False),
    Column("member", String(64), nullable=False),
    Column("mean", Float, nullable=False),
    Column("squares", Float, nullable=False),  # sum of squared deviations from the mean
    Column("trials", Integer, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("stored", Float, nullable=False),
    Index("verdicts_by_result", "result"),
    Index("verdicts_by_class", "contract", "gpu"),
)

ideas = Table(  # hypotheses and insights
    "ideas",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("contract", String(64), nullable=False, default=""),
    Column("gpu", Text, nullable=False, default=""),
    Column("topic", Text, nullable=False, default=""),
    Column("text", Text, nullable=False),
    Column("priority", Integer, nullable=False, default=3),
    Column("state", String(12), nullable=False, default="open"),
    Index("ideas_newest", "kind", "seq"),
)

Index("ideas_urgent", ideas.c.kind, ideas.c.state, ideas.c.priority, ideas.c.seq.desc())
