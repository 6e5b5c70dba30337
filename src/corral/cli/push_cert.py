"""`corral push-cert`: the certificate for Apple's push service, from its request to its renewal."""

from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.files import read_bytes, read_text, write_new
from corral.cli.reach.session import Session, over_api

app = typer.Typer(
    help="The certificate for Apple's push service.",
    no_args_is_help=True,
)

WHO_SIGNS = (
    "Apple takes a request only with an MDM vendor's signature. Whoever has a vendor certificate (from Apple's "
    "developer portal) signs with `corral push-cert sign`; others send the request "
    "to a vendor that signs for them, such as mdmcert.download."
)
PORTAL = "https://identity.apple.com/pushcert"


@app.command("request")
@over_api
def request_certificate(
    session: Session,
    out: Annotated[Path, typer.Option("--out", help="File to write the request to.")] = Path("push.csr"),
    name: Annotated[str, typer.Option("--name", help="A name for this installation.")] = "Corral",
    country: Annotated[str, typer.Option("--country", help="Two letters.")] = "US",
) -> None:
    """Write a signing request (CSR).

    Its private key stays in the installation, sealed.
    """
    data = session.api.post("/push-certificates/request", {"common_name": name, "country": country})
    write_new(out, data["csr"].encode(), private=False)
    session.show(data | {"file": str(out)}, _write_request)


@app.command("sign")
def sign_request(
    csr: Annotated[Path, typer.Option("--csr", help="The request of `push-cert request`.")],
    vendor_certificate: Annotated[
        Path, typer.Option("--vendor-certificate", help="MDM vendor certificate (PEM or DER).")
    ],
    vendor_key: Annotated[Path, typer.Option("--vendor-key", help="Its private key (PEM).")],
    chain: Annotated[Path, typer.Option("--chain", help="PEM file: Apple's WWDR intermediate and Apple's root.")],
    out: Annotated[Path, typer.Option("--out", help="File to write.")] = Path("push-request.b64"),
) -> None:
    """Sign a request as an MDM vendor.

    Makes the file that Apple's portal takes; needs no service.
    """
    from corral.cli.vendor import sign

    write_new(out, sign(csr, vendor_certificate, vendor_key, chain), private=False)
    print(f"{out} is ready: upload it at {PORTAL}, and import the certificate that you get with `push-cert import`.")


@app.command("import")
@over_api
def import_certificate(
    session: Session,
    certificate: Annotated[Path, typer.Argument(help="The certificate from Apple (PEM).")],
    apple_account: Annotated[
        str, typer.Option("--apple-account", help="The Apple Account it was made with: only that one can renew it.")
    ] = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="Its private key (PEM), if the request was made elsewhere.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take another topic although devices depend on the present one.")
    ] = False,
) -> None:
    """Take a new or renewed certificate into use."""
    from corral.cli.vendor import open_key

    body: dict[str, Any] = {
        "certificate": read_text(certificate),
        "key": open_key(read_bytes(key)) if key is not None else None,
        "apple_account": apple_account,
        "force": force,
    }
    session.show(session.api.post("/push-certificates", body), _write_imported)


@app.command("show")
@over_api
def show_certificates(session: Session) -> None:
    """Topics, owners, expiry."""
    session.show(session.api.get("/push-certificates"), _write_list)


def _write_request(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say

    say(
        f"The request is in {data['file']}.",
        WHO_SIGNS,
        f"Then upload the signed file at {PORTAL} (to renew: choose Renew there, with the same Apple Account), and",
        "import what you get: corral push-cert import MDM_Certificate.pem --apple-account NAME",
    )


def _write_imported(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say, when

    say(f"Pushes for topic {data['topic']} go out under this certificate, until {when(data['not_after'])}.")
    if not data["apple_account"]:
        say("Import it again with --apple-account, so that everybody knows which account can renew it.")


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import ago, print_table, when

    rows = [
        (
            each["topic"],
            each["apple_account"] or "not recorded",
            f"{when(each['not_after'])}, {ago(each['not_after'])}",
            when(each["imported_at"]),
            each["stopped"],
        )
        for each in data["push_certificates"]
    ]
    columns = ("topic", "Apple Account", "expires", "imported", "refused by Apple")
    print_table(columns, rows, "No push certificate yet: begin with `corral push-cert request`.")
