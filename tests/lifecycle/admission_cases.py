"""Policies, applicants, and what is known of them, drawn so that their parts often meet."""

from hypothesis import strategies as st

from corral.apple.platform import Platform
from corral.lifecycle.admission import (
    AdmissionPolicy,
    Admit,
    Decline,
    Outcome,
    RequirePairing,
    RequirePlatformSSO,
    RequireUpdate,
    Rule,
)
from corral.lifecycle.applicant import Applicant, Known, Standing
from corral.lifecycle.conditions import Attested, Conditions
from corral.lifecycle.state import EnrollmentKind, IdentityKind
from corral.pki.attestation import HardwareProperties, SecureBoot

SSO = RequirePlatformSSO(profile_url="https://a", auth_url="https://b", manifest_url="https://c")
texts = st.sampled_from(["*", "C01", "C02", "iPhone*", "iPhone", "Mac", "me@example.org", "?"])
some = st.lists(texts, max_size=2).map(tuple)
versions = st.one_of(st.none(), st.sampled_from(["9.0", "17.0", "17.6.1", "18.2 (a)", "99"]))
conditions = st.builds(
    Conditions,
    kind=st.lists(st.sampled_from(sorted(EnrollmentKind)), max_size=2).map(tuple),
    serial_number=some,
    product=some,
    family=some,
    platform=st.lists(st.sampled_from(sorted(Platform)), max_size=2).map(tuple),
    os_below=versions,
    os_from=versions,
    account=some,
    standing=st.lists(st.sampled_from(sorted(Standing)), max_size=2).map(tuple),
    assigned=st.sampled_from([True, False, None]),
    attested=st.sampled_from(
        [
            None,
            Attested(),
            Attested(present=False),
            Attested(secure_boot=(SecureBoot.FULL,)),
            Attested(sip=True, os_from="17.6.1"),
            Attested(os_below="18"),
        ]
    ),
)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Admit, identity=st.sampled_from([None, *sorted(IdentityKind)])),
    st.builds(RequireUpdate, minimum=st.sampled_from(["17.0", "18.2", "18.2 (a)", "99"])),
    st.just(SSO),
    st.builds(RequirePairing),
    st.builds(Decline, unrecognized=st.booleans()),
)
policies = st.builds(
    AdmissionPolicy,
    rules=st.lists(st.builds(Rule, name=st.just("r"), when=conditions, then=outcomes), max_size=6).map(tuple),
)
applicants = st.builds(
    Applicant,
    kind=st.sampled_from(sorted(EnrollmentKind)),
    discovery=st.booleans(),
    signing_in=st.booleans(),
    udid=st.sampled_from([None, "UDID-1"]),
    serial_number=st.sampled_from([None, "C01", "C03"]),
    product=st.sampled_from(["", "iPhone15,2", "Mac14,2"]),
    family=st.sampled_from(["", "iPhone", "Mac", "Watch"]),
    platform=st.sampled_from([None, *sorted(Platform)]),
    os_version=st.one_of(versions, st.just("strange")),
    account=st.sampled_from([None, "me@example.org"]),
    can_request_software_update=st.booleans(),
    can_request_platform_sso=st.booleans(),
    has_pairing_token=st.booleans(),
    has_certificate=st.booleans(),
    attested=st.sampled_from(
        [
            None,
            HardwareProperties(),
            HardwareProperties(os_version="17.6.1", secure_boot=SecureBoot.FULL, sip_enabled=True),
            HardwareProperties(os_version="18.2", secure_boot=SecureBoot.REDUCED, sip_enabled=False),
        ]
    ),
)
known = st.builds(Known, assigned=st.booleans(), must_sign_in=st.booleans(), standing=st.sampled_from(sorted(Standing)))
