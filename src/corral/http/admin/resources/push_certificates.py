"""The push certificates, one a topic: requested, imported, looked at. Keys come in and never go out."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.times import shown
from corral.store.vault import StoredPushCertificate

Pem = Annotated[str, Meta(min_length=1, max_length=65_536)]


class NewRequest(Body):
    """`common_name` names this installation; `country` is two letters."""

    common_name: Annotated[str, Meta(min_length=1, max_length=64)]
    country: Annotated[str, Meta(pattern="^[A-Za-z]{2}$")] = "US"


class RequestView(View):
    """The signing request as PEM, which an MDM vendor must sign before Apple takes it."""

    csr: str


class NewPushCertificate(Body):
    """`certificate` as Apple gave it out; `key` (unencrypted PEM) only if the request was not made here.

    `apple_account` is the Apple Account that it belongs to: only that one can renew it.
    """

    certificate: Pem
    key: Pem | None = None
    apple_account: Annotated[str, Meta(max_length=255)] = ""
    force: bool = False


class PushCertificateView(View):
    """`stopped` says why Apple refused it, or is empty."""

    topic: str
    apple_account: str
    not_after: datetime | None
    imported_at: datetime | None
    stopped: str


class PushCertificateList(View):
    push_certificates: tuple[PushCertificateView, ...]


async def list_push_certificates(call: Call) -> PushCertificateList:
    found = await call.services.push_certificates.list()
    return PushCertificateList(push_certificates=tuple(map(_view, found)))


async def request_push_certificate(call: Call, body: NewRequest) -> RequestView:
    csr = await call.services.push_certificates.request(body.common_name, body.country, call.by)
    return RequestView(csr=csr.decode())


async def import_push_certificate(call: Call, body: NewPushCertificate) -> PushCertificateView:
    stored = await call.services.push_certificates.import_(
        body.certificate.encode(),
        body.key.encode() if body.key is not None else None,
        body.apple_account,
        body.force,
        call.by,
    )
    return _view(stored)


def _view(stored: StoredPushCertificate) -> PushCertificateView:
    return PushCertificateView(
        topic=stored.topic,
        apple_account=stored.apple_account,
        not_after=shown(stored.not_after),
        imported_at=shown(stored.imported_at),
        stopped=stored.stopped,
    )
