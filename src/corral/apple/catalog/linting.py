"""Holding a configuration profile against the catalog, before a device does.

An error is what keeps a device from installing the profile, a warning is what it would pass over. What is not known of
the target speaks against nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from corral.apple.catalog.keys import check_keys
from corral.apple.catalog.placing import Finding, Target, check_place
from corral.apple.catalog.spec import PayloadSpec, payload_spec
from corral.apple.platform import Platform
from corral.apple.plist import PlistValue

_Keys = Mapping[str, PlistValue]

_ENROLLMENT = "com.apple.mdm"
_REFERENCES = ("PayloadCertificateUUID", "PayloadCertificateAnchorUUID", "IdentityCertificateUUID")
"""Keys that name another payload of the same profile, one or several of them."""


def lint(profile: _Keys, target: Target) -> list[Finding]:
    """All that speaks against this profile, in the order of its payloads; `where` is a path of keys."""
    findings = list(_check_envelope(profile, target))
    content = profile.get("PayloadContent")
    if isinstance(content, list):
        findings += _check_payloads(content, target)
    return findings


def _check_envelope(profile: _Keys, target: Target) -> Iterator[Finding]:
    top = payload_spec("TopLevel")
    assert top is not None
    if profile.get("EncryptedPayloadContent") is not None:
        yield Finding("warning", "EncryptedPayloadContent", "cannot be looked into: it is for one device only")
        specs = tuple(each for each in top.keys if each.name != "PayloadContent")
        yield from check_keys(specs, profile, target, "", "warning")
        return
    yield from check_keys(top.keys, profile, target, "", "warning")
    if isinstance(profile.get("PayloadContent"), list) and not profile["PayloadContent"]:
        yield Finding("error", "PayloadContent", "holds no payload")
    if profile.get("PayloadScope", "User") == "System" and target.channel == "user":
        yield Finding("error", "PayloadScope", "is System, which is not for the user channel")


def _check_payloads(content: Sequence[PlistValue], target: Target) -> Iterator[Finding]:
    payloads: list[tuple[str, _Keys]] = []
    for index, item in enumerate(content):
        if isinstance(item, Mapping):
            payloads.append((f"PayloadContent[{index}]", item))
        # Else the check of the top level has said so.
    for where, payload in payloads:
        yield from _check_payload(where, payload, target)
    yield from _check_together(payloads, target)


def _check_payload(where: str, payload: _Keys, target: Target) -> Iterator[Finding]:
    kind = payload.get("PayloadType")
    common = payload_spec("CommonPayloadKeys")
    assert common is not None
    if not isinstance(kind, str) or not kind:
        yield Finding("error", f"{where}.PayloadType", "must say what kind of payload this is")
        return
    if kind == _ENROLLMENT:
        yield Finding("error", where, f"{kind} enrolls a device: such a profile is made for it, see `corral enroll`")
        return
    own = payload_spec(kind)
    if own is None:
        yield Finding("warning", f"{where}.PayloadType", _unknown(kind, target))
        yield from check_keys(
            common.keys, {k: payload[k] for k in _names(common) & payload.keys()}, target, f"{where}."
        )
        return
    yield from _check_place(where, kind, own, target)
    specs = (*own.keys, *(each for each in common.keys if each.name not in _names(own)))
    yield from check_keys(specs, payload, target, f"{where}.", "warning")


def _check_place(where: str, kind: str, payload: PayloadSpec, target: Target) -> Iterator[Finding]:
    if target.platform is None:
        return
    facts = payload.platforms.get(target.platform)
    if facts is None:
        elsewhere = ", ".join(payload.platforms)
        yield Finding("error", where, f"{kind} does not exist on {target.platform}, only on {elsewhere}")
        return
    for finding in check_place(where, facts, target):
        yield Finding(finding.severity, where, f"{kind} {finding.what}")


def _check_together(payloads: Sequence[tuple[str, _Keys]], target: Target) -> Iterator[Finding]:
    """What payloads of one profile must not do to each other."""
    kinds = Counter(str(payload.get("PayloadType")) for _, payload in payloads)
    for kind, count in kinds.items():
        if count > 1 and _is_single(kind, target):
            yield Finding("error", "PayloadContent", f"holds {count} payloads {kind}, of which a device takes one")
    for key in ("PayloadUUID", "PayloadIdentifier"):
        for value, count in Counter(str(each[key]) for _, each in payloads if key in each).items():
            if count > 1:
                yield Finding("error", "PayloadContent", f"holds {count} payloads with the {key} {value[:100]}")
    there = {str(payload.get("PayloadUUID")) for _, payload in payloads}
    for where, payload in payloads:
        for path, reference in _references(payload, where):
            if reference not in there:
                yield Finding("error", path, f"names {reference[:100]}, and no payload of this profile has that UUID")


def _references(keys: _Keys, path: str) -> Iterator[tuple[str, str]]:
    for name, value in keys.items():
        where = f"{path}.{name}"
        if isinstance(value, Mapping):
            yield from _references(value, where)
        elif name in _REFERENCES:
            named = value if isinstance(value, list) else [value]
            yield from ((where, each) for each in named if isinstance(each, str) and each)


def _is_single(kind: str, target: Target) -> bool:
    payload = payload_spec(kind)
    if payload is None:
        return False
    if target.platform is not None:
        facts = payload.platforms.get(target.platform)
        return facts is not None and facts.single
    return all(facts.single for facts in payload.platforms.values())


def _names(payload: PayloadSpec) -> set[str]:
    return {each.name for each in payload.keys}


def _unknown(kind: str, target: Target) -> str:
    if target.platform not in (None, Platform.MACOS):
        return f"{kind[:100]} is not in Apple's schema; {target.platform} passes over it"
    return f"{kind[:100]} is not in Apple's schema; a Mac takes it for the preferences of an app, others pass over it"
