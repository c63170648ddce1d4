"""What a roster says of recovery, and what a draft asks holders to sign, for people and scripts."""

from typing import Any

from edge.wire.recovery import Entrusting, Statement, digest_of, encode_statement
from edge.wire.roster import Roster


def facts_of(roster: Roster) -> dict[str, Any]:
    """Which keys may recover, and where they have."""
    recovery = [
        {
            "since": keys.since,
            "needed": keys.needed,
            "digests": [digest.hex() for digest in keys.digests],
            "in_force": keys is roster.recovery[-1],
        }
        for keys in roster.recovery
    ]
    recovered = [
        {
            "scope": voters.scope,
            "since": voters.since,
            "ends": voters.cut.ends,
            "voters": [roster.by_index[index].name for index in voters.indices],
            "chains": len(voters.cut.heads),
            "signers": [digest_of(public_key).hex() for public_key, _ in voters.cut.proof],
        }
        for voters in roster.listed
        if voters.cut is not None
    ]
    return {"roster_version": roster.version, "recovery": recovery, "recovered": recovered}


def said_of(statement: Statement, roster: Roster | None) -> dict[str, Any]:
    """What a statement says, for who signs it: it has no names, and these are of a roster where there is one."""
    digest = digest_of(encode_statement(statement)).hex()
    if isinstance(statement, Entrusting):
        text = f"{statement.needed} of {len(statement.digests)} keys may recover since roster version {statement.since}"
        digests = [digest.hex() for digest in statement.digests]
        return {"statement": digest, "since": statement.since, "digests": digests, "text": text}
    names = [roster.by_index[i].name if roster else f"#{i}" for i in statement.indices]
    return {
        "statement": digest,
        "scope": statement.scope,
        "ends": statement.ends,
        "since": statement.since,
        "liars": statement.liars,
        "voters": names,
        "heads": [{**head._asdict(), "id": head.id.hex()} for head in statement.heads],
        "text": f"in {statement.scope} {', '.join(names)} take the place of epoch {statement.ends} with roster version"
        f" {statement.since}, above {len(statement.heads)} chains; statement {digest[:16]}",
    }
