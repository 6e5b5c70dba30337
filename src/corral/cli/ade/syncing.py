"""`corral ade sync`: ask Apple now, which the service does by itself every half hour."""

from typing import Annotated, Any

import typer

from corral.cli.ade.naming import Server, server_path
from corral.cli.reach.session import Session, over_api


@over_api
def sync(
    session: Session,
    whole: Annotated[bool, typer.Option("--whole", help="All devices, not only what has changed.")] = False,
    server: Server = None,
) -> None:
    """Synchronize with Apple now.

    New devices get the profile that rules or the default have for them.
    """
    session.show(session.api.post(f"{server_path(session, server)}/sync", {"whole": whole}), _write)


def _write(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import count, say

    what = "All devices were fetched" if data["whole"] else "What has changed was fetched"
    say(
        f"{what}: {count(data['seen'], 'device')}, {data['added']} new, {data['changed']} changed,"
        f" {data['removed']} gone; {data['assigned']} got a profile."
    )
    if data["open"]:
        say(f"{data['open']} assignments were not taken by Apple yet, and are tried again.")
