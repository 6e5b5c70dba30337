"""The admission policy: shown, put, and tried out without anybody being admitted or refused."""

from dataclasses import replace
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from corral.apple.machine_info import MAX_MESSAGE, MachineInfo, MachineInfoError, read_machine_info
from corral.http.admin.endpoint import Body, Call, View
from corral.lifecycle.admission import Applicant, Permit, Refusal
from corral.lifecycle.state import EnrollmentKind
from corral.pki import cms
from corral.service.applicants import applicant_of
from corral.service.errors import NotFound, RequestRefused
from corral.service.policy_document import PolicyDocument, RuleDocument


class PolicyView(View):
    """Rules in their order; the first that fits decides."""

    rules: tuple[RuleDocument, ...]


class NewPolicy(Body):
    """The whole policy: what was there is replaced."""

    rules: Annotated[tuple[RuleDocument, ...], Meta(max_length=1000)] = ()


class Trial(Body):
    """Who would ask: a device that is known (id or serial number), or a MachineInfo, as a property list or signed, in
    base64; `account` if somebody would be signed in. Signatures are not checked: nothing comes of this."""

    device: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    machine_info: Annotated[bytes, Meta(max_length=MAX_MESSAGE)] | None = None
    kind: EnrollmentKind = EnrollmentKind.AUTOMATED
    account: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    discovery: bool = False


class TrialView(View):
    """`rule` is empty where none decided; `document` is what the device would be sent with the 403."""

    admitted: bool
    rule: str
    why: str
    message: str
    identity: str | None
    document: dict[str, Any] | None
    assigned: bool
    standing: str


async def show_policy(call: Call) -> PolicyView:
    return PolicyView(rules=(await call.services.policies.document()).rules)


async def put_policy(call: Call, body: NewPolicy) -> PolicyView:
    await call.services.policies.put(PolicyDocument(rules=body.rules), call.by)
    return await show_policy(call)


async def try_policy(call: Call, body: Trial) -> TrialView:
    judged = await call.services.admitting.judge(await _applicant(call, body))
    match judged.judgement:
        case Permit(rule, identity):
            why = f"rule {rule} admits it" if rule else "it is entitled, and no rule is against it"
            message, document = "", None
        case Refusal(rule, why, message, sent):
            identity, document = None, sent and msgspec.json.decode(sent.json(), type=dict[str, Any])
    return TrialView(
        admitted=isinstance(judged.judgement, Permit),
        rule=rule,
        why=why,
        message=message,
        identity=identity and identity.value,
        document=document,
        assigned=judged.known.assigned,
        standing=judged.known.standing.value,
    )


async def _applicant(call: Call, body: Trial) -> Applicant:
    if (body.device is None) == (body.machine_info is None):
        raise RequestRefused("Name a device, or send a MachineInfo, and not both.")
    info = await _known(call, body.device) if body.device is not None else _read(body.machine_info or b"")
    found = applicant_of(info, body.kind)
    return replace(found, account=body.account, discovery=body.discovery)


async def _known(call: Call, name: str) -> MachineInfo:
    """As the device described itself last; what its Setup Assistant could do nobody knows, so all of it is assumed."""
    device_id = await call.services.directory.resolve(name)
    detail = await call.services.directory.device(device_id) if device_id is not None else None
    if detail is None:
        raise NotFound(f"There is no device {name}.")
    device = detail.device
    return MachineInfo(
        product=device.product_name or device.model or "",
        build_version=device.build_version or "",
        udid=None if device.user_enrollment else device.id,
        serial_number=device.serial_number,
        os_version=device.os_version,
        can_request_software_update=True,
    )


def _read(data: bytes) -> MachineInfo:
    try:
        content = data if data.lstrip()[:5] == b"<?xml" or data.startswith(b"bplist") else cms.verify_attached(data)[0]
        return read_machine_info(content)
    except (MachineInfoError, cms.CmsError) as error:
        raise RequestRefused(f"No MachineInfo that can be read: {error}.") from None
