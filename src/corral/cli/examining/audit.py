"""Whether what people do is still written down and linked."""

from collections.abc import Mapping
from typing import Any

from corral.cli.examining.finding import Finding, fail, ok, warn

MOST_WAITING = 1000
"""Entries are linked every few seconds; so many do not come together in that time."""


def examine(chain: Mapping[str, Any]) -> list[Finding]:
    """Of the first page of `/audit/chain`. Whether every link holds takes longer: `corral audit verify`."""
    if chain["head"] is None or chain["anchor"] is None:
        remedy = "See `corral audit verify`, and restore the database from a backup if nobody has changed the key."
        return [fail("audit trail", "its ends do not open: another sealing key, or somebody has written in it", remedy)]
    if chain["waiting"] > MOST_WAITING:
        told = f"{chain['waiting']:,} entries wait to be linked"
        return [warn("audit trail", told, "See the service's log for `worker.failed` of `audit`.")]
    return [ok("audit trail", f"linked up to {chain['head']['place']:,}")]
