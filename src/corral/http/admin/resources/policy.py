"""The admission policy: shown, put, and tried out without anybody being admitted or refused."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from corral.apple.machine_info import MAX_MESSAGE, MachineInfo, MachineInfoError, read_machine_info
from corral.http.admin.endpoint import Body, Call, View
from corral.pki import cms
from corral.service.enrollment.applicants import described
from corral.service.enrollment.policy_document import PolicyDocument, RuleDocument
from corral.service.enrollment.trying import Somebody, Verdict, Way, try_ways
from corral.service.errors import NotFound, RequestRefused


class PolicyView(View):
    """Rules in their order; the first that fits decides."""

    rules: tuple[RuleDocument, ...]


class NewPolicy(Body):
    """The whole policy: what was there is replaced."""

    rules: Annotated[tuple[RuleDocument, ...], Meta(max_length=1000)] = ()


class Trial(Body):
    """Who would ask: a device that is known (id or serial number), or a MachineInfo, as a property list or signed, in
    base64; `account` if somebody would be signed in. Without a `way` all are tried. Signatures are not checked: nothing
    comes of this."""

    device: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    machine_info: Annotated[bytes, Meta(max_length=MAX_MESSAGE)] | None = None
    way: Way | None = None
    account: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class VerdictView(View):
    """`step` is the one that refuses, or the last; `rule` is empty where none decided; `document` is what the device
    would be sent with the 403."""

    way: str
    admitted: bool
    step: str
    rule: str
    why: str
    message: str
    identity: str | None
    document: dict[str, Any] | None


class TrialView(View):
    """What is known of the device, and what it would be answered by each way."""

    assigned: bool
    must_sign_in: bool
    standing: str
    ways: tuple[VerdictView, ...]


async def show_policy(call: Call) -> PolicyView:
    return PolicyView(rules=(await call.services.policies.document()).rules)


async def put_policy(call: Call, body: NewPolicy) -> PolicyView:
    await call.services.policies.put(PolicyDocument(rules=body.rules), call.by)
    return await show_policy(call)


async def try_policy(call: Call, body: Trial) -> TrialView:
    ways = tuple(Way) if body.way is None else (body.way,)
    known, verdicts = await try_ways(call.services.admitting, await _somebody(call, body), ways)
    return TrialView(
        assigned=known.assigned,
        must_sign_in=known.must_sign_in,
        standing=known.standing.value,
        ways=tuple(_shown(each) for each in verdicts),
    )


def _shown(verdict: Verdict) -> VerdictView:
    document = verdict.document
    return VerdictView(
        way=verdict.way.value,
        admitted=verdict.admitted,
        step=verdict.step.value,
        rule=verdict.rule,
        why=verdict.why,
        message=verdict.message,
        identity=verdict.identity and verdict.identity.value,
        document=document and msgspec.json.decode(document.json(), type=dict[str, Any]),
    )


async def _somebody(call: Call, body: Trial) -> Somebody:
    if body.machine_info is not None and body.device is None:
        return Somebody(info=_read(body.machine_info), account=body.account)
    if body.device is not None and body.machine_info is None:
        return await _known(call, body.device, body.account)
    raise RequestRefused("Name a device, or send a MachineInfo, and not both.")


async def _known(call: Call, name: str, account: str | None) -> Somebody:
    """As the device described itself and was attested last; what its Setup Assistant could do nobody knows, so all of
    it is assumed."""
    device_id = await call.services.directory.resolve(name)
    detail = await call.services.directory.device(device_id) if device_id is not None else None
    if detail is None:
        raise NotFound(f"There is no device {name}.")
    attested = next((each.attested for each in detail.certificates if each.attested is not None), None)
    return Somebody(info=described(detail.device), account=account, attested=attested)


def _read(data: bytes) -> MachineInfo:
    try:
        content = data if data.lstrip()[:5] == b"<?xml" or data.startswith(b"bplist") else cms.verify_attached(data)[0]
        return read_machine_info(content)
    except (MachineInfoError, cms.CmsError) as error:
        raise RequestRefused(f"No MachineInfo that can be read: {error}.") from None
