"""Which content coding a client prefers (RFC 9110 section 12.5.3)."""

import re
from collections.abc import Sequence

MEMBER = re.compile(
    r"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)


def preferred(value: str | None, offers: Sequence[str]) -> list[str]:
    """Those of the codings on offer that the client takes, the one that it likes best first; of equals the
    one that is offered first. A field that is missing or not well formed takes none: plain is always right.
    """
    members = [MEMBER.fullmatch(member) for member in (value or "").split(",") if member.strip(" \t")]
    if not all(members):
        return []
    weights = {match[1].lower(): float(match[2] or 1) for match in members if match}
    liking = {offer: weights.get(offer, weights.get("*", 0.0)) for offer in offers}
    return sorted((offer for offer in offers if liking[offer]), key=lambda offer: -liking[offer])
