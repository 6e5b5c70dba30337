"""Which settings there are: the type, the default and the meaning of each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from corral.lifecycle.policy import (
    Admission,
    Attestation,
    OnExpiredIdentity,
    OnLostBinding,
    OnRestore,
    OnReturn,
    OnTakeover,
    UserAuthentication,
)
from corral.lifecycle.state import DAY, HOUR, MINUTE, SECOND, IdentityKind
from corral.settings.values import (
    Addresses,
    Authorities,
    Database,
    Duration,
    Issuer,
    Networks,
    Proxies,
    Retention,
    Table,
    Url,
    Words,
)

DEFAULT_DATA = Path("data")


def _in_data(name: str) -> Callable[[dict[str, Any]], Path]:
    """A default that lies in the data folder."""

    def default(values: dict[str, Any]) -> Path:
        return Path(values.get("data", DEFAULT_DATA)) / name

    return default


class Declared(BaseSettings):
    """All settings, each checked for itself. Durations are milliseconds."""

    model_config = SettingsConfigDict(
        frozen=True, env_prefix="CORRAL_", extra="forbid", hide_input_in_errors=True, validate_default=False
    )

    data: Path = Field(DEFAULT_DATA, description="Folder of the database, the sealing key and the admin socket")
    database: Database = Field(
        "sqlite",
        repr=False,
        description="`sqlite` (a file in the data folder), or postgresql://USER:PASSWORD@HOST/NAME",
    )
    pooler: Literal["none", "transaction"] = Field(
        "none", description="`transaction` where the PostgreSQL database is behind PgBouncer in transaction mode"
    )
    workers: int = Field(1, ge=1, le=64, description="Processes that serve; more than one needs PostgreSQL")
    public_url: Url = Field(description="How devices reach this service: https://HOST or https://HOST:PORT")
    organization: str = Field(
        "Corral", min_length=1, max_length=100, description="Who manages: shown on devices and on enrollment pages"
    )
    listen: Addresses = Field(
        ("127.0.0.1:8443",), min_length=1, description="Addresses to serve on, HOST:PORT, with commas between them"
    )
    admin_listen: Addresses = Field(
        (), description="Addresses of their own for the admin API; without them it is served beside the device routes"
    )
    admin_socket: Path = Field(
        default_factory=_in_data("admin.sock"), description="Unix socket of the admin API, for its owner alone"
    )
    tls: Literal["own", "files", "off"] = Field(
        "own",
        description="`own`: a certificate of Corral's own authority; `files`: `tls_certificate` and `tls_key`; "
        "`off`: plain HTTP behind a proxy",
    )
    tls_certificate: Path | None = Field(None, description="PEM file of the server's certificate and its chain")
    tls_key: Path | None = Field(None, description="PEM file of its private key")
    proxy: Proxies = Field(
        (), description="Addresses or networks of the TLS-terminating proxies whose headers are believed"
    )
    proxy_address_header: str = Field(
        "",
        pattern=r"^([A-Za-z0-9-]{1,64})?$",
        description="Header in which the `proxy` adds the address of who asks the API, such as X-Forwarded-For; "
        "without it nothing is known of them",
    )
    identity: Literal["signature", "header", "tls"] = Field(
        "signature",
        description="Where a device's certificate is taken from: `signature` (Mdm-Signature), `header` (of a proxy), "
        "`tls` (client certificates)",
    )
    identity_header: str = Field(
        "Client-Cert", pattern=r"^[A-Za-z0-9-]{1,64}$", description="The proxy's header: RFC 9440, or URL-escaped PEM"
    )
    authorities: Authorities = Field(
        default_factory=dict[str, Path],
        description="Further authorities whose identity certificates are trusted: a table of names and PEM files",
    )
    device_roots: Path | None = Field(
        None, description="PEM file of the authorities of device certificates; without it Apple's own"
    )
    admission: Admission = Field(
        Admission.GRANT,
        description="`grant`: only who has an enrollment link; `trusted-identity`: also any device with a "
        "certificate of `authorities`",
    )
    identity_enrollment: IdentityKind = Field(
        IdentityKind.SCEP, description="How devices that enroll by a link get their certificate: `scep` or `acme`"
    )
    attestation: Attestation = Field(
        Attestation.WANTED,
        description="What a device must show of itself to get a certificate by ACME: `off`, `wanted`, or `required`",
    )
    attestation_roots: Path | None = Field(
        None, description="PEM file of the authorities that attest devices, instead of Apple's"
    )
    identity_days: int = Field(365, ge=1, le=3650, description="Validity of the certificates that devices get, days")
    link_days: int = Field(7, ge=1, le=3650, description="Validity of an enrollment link for which none is asked, days")
    on_restore: OnRestore = Field(
        OnRestore.ACCEPT,
        description="A backup restored to the same device: `accept` it, or `refuse` (it must re-enroll)",
    )
    on_takeover: OnTakeover = Field(
        OnTakeover.CONFIRM,
        description=(
            "A newcomer that claims to be a connected device: `confirm` one by a link for anybody, confirm all but the"
            " `attested`, or `accept`"
        ),
    )
    on_lost_binding: OnLostBinding = Field(
        OnLostBinding.REBIND,
        description="A certificate of our own that the database no longer knows: `rebind` it by its name, or `refuse`",
    )
    on_expired_identity: OnExpiredIdentity = Field(
        OnExpiredIdentity.REPAIR,
        description="An expired certificate of a living connection: `repair` (deliver the renewal), or `refuse`",
    )
    user_authentication: UserAuthentication = Field(
        UserAuthentication.REFUSE,
        description="UserAuthenticate of network users: `refuse` (410), `empty-challenge`, or `digest` of `user_file`",
    )
    user_file: Path | None = Field(None, description="Users and their digests, as htdigest writes them")
    manage_users: bool = Field(True, description="Whether user channels are managed")
    return_to_service: OnReturn = Field(
        OnReturn.REFUSE,
        description="A device that asks how to return to service when it erases itself: `refuse`, or `accept`",
    )
    return_to_service_wifi: Path | None = Field(
        None, description="Wi-Fi profile that devices get which return to service, where none is named"
    )
    ending_deadline: Duration = Field(
        7 * DAY, gt=0, description="How long a device may take to remove its profile before it is told to on contact"
    )
    breaker_limit: int = Field(
        25, ge=1, le=1_000_000, description="Connections told to leave within the window before the breaker opens"
    )
    breaker_window: Duration = Field(HOUR, gt=0, description="The window of the breaker")
    setup_time: Duration = Field(
        20 * SECOND, ge=0, description="How long DeviceConfigured waits for commands of the setup to be queued"
    )
    configured_retry: Duration = Field(
        5 * MINUTE, gt=0, description="When DeviceConfigured is sent again to a device that waits in Setup Assistant"
    )
    installation_time: Duration = Field(
        15 * MINUTE,
        gt=0,
        description="How long after an Authenticate of a connected device its TokenUpdate is waited for",
    )
    renew_before: Duration = Field(
        30 * DAY, gt=0, description="How long before its end the renewal of a device's identity may begin"
    )
    renewal_time: Duration = Field(
        7 * DAY,
        gt=0,
        description="How long a device may take to come for its renewed certificate before it is asked again",
    )
    not_now_push: Duration = Field(10 * MINUTE, gt=0, description="When a device that said NotNow is pushed again")
    keys_per_grant: int = Field(
        4, ge=1, le=100, description="Keys that one enrollment may come with, the first among them"
    )
    collect_inventory: bool = Field(
        True,
        description="Whether devices are asked for their inventory by themselves, as `corral inventory schedule` says",
    )
    keep_results: Retention = Field(
        90 * DAY, description="How long results and finished commands are kept; `forever` keeps them"
    )
    keep_collected: Retention = Field(
        3 * DAY,
        description="The same for what the inventory's schedule has asked for; the newest answer of each kind stays",
    )
    keep_inventory_history: Retention = Field(
        365 * DAY, description="How long changes of the inventory are kept, or `forever`"
    )
    keep_events: Retention = Field(180 * DAY, description="How long events are kept, or `forever`")
    keep_audit: Retention = Field(
        2 * 365 * DAY, description="How long entries of the audit trail are kept, or `forever`"
    )
    keep_pushes: Retention = Field(30 * DAY, description="How long the outcomes of pushes are kept, or `forever`")
    keep_contacts: Retention = Field(30 * DAY, description="How long contacts by the hour are kept, or `forever`")
    keep_grants: Retention = Field(
        30 * DAY, description="How long links and grants are kept after they have expired, or `forever`"
    )
    keep_answers: Duration = Field(
        DAY, ge=MINUTE, description="How long answers are kept of requests that have an `Idempotency-Key`"
    )
    apns_url: Url = Field("https://api.push.apple.com", description="Apple's push service, or a stand-in")
    apns_ca: Path | None = Field(None, description="PEM file of the authority of a stand-in")
    ade_url: Url = Field(
        "https://mdmenrollment.apple.com", description="Apple's device enrollment service, or a stand-in"
    )
    ade_ca: Path | None = Field(None, description="PEM file of the authority of a stand-in")
    ade_sync_every: Duration = Field(
        30 * MINUTE, ge=MINUTE, description="How often each server of automated enrollment is synchronized"
    )
    oidc_issuer: Issuer | None = Field(
        None, description="URL of the OpenID Connect provider that people sign in with; without it no account enrolls"
    )
    oidc_client_id: str = Field("", description="What the provider calls this service")
    oidc_client_secret: SecretStr | None = Field(
        None, description="The secret that goes with it; none for a public client"
    )
    oidc_scopes: str = Field("openid email profile", description="What the provider is asked for, with spaces between")
    oidc_ca: Path | None = Field(None, description="PEM file of the provider's authority, where it is a private one")
    outgoing_networks: Networks = Field(
        (), description="Networks that are not public, in which URLs that the settings name may lie all the same"
    )
    webhook_ca: Path | None = Field(
        None, description="PEM file of authorities that receivers of webhooks are believed by, beside the system's"
    )
    account_method: Literal["as-web", "oauth2"] = Field(
        "as-web",
        description="How devices sign their person in: `as-web` (once), or `oauth2` (with tokens that are refreshed)",
    )
    account_claim: str = Field(
        "email", min_length=1, max_length=100, description="The provider's claim that is the Managed Apple Account"
    )
    account_domains: Words = Field(
        (), description="Domains whose accounts may enroll; `*` allows whomever the provider signs in"
    )
    account_groups_claim: str = Field(
        "groups", min_length=1, max_length=100, description="The provider's claim that lists a person's groups"
    )
    account_groups: Words = Field((), description="Groups of which one is needed to enroll; without any, none is")
    account_enrollment: Literal["user", "device"] = Field(
        "user", description="What accounts enroll: `user` (a person's own device), or `device` (the organization's)"
    )
    account_device_for: Words = Field(
        (), description="Accounts, `@domain`s and model families (`Mac`, `iPad`, ...) that enroll as `device` anyway"
    )
    account_access_time: Duration = Field(
        HOUR, ge=MINUTE, description="How long an access token lives that its device can refresh"
    )
    account_session_time: Duration = Field(
        90 * DAY, ge=HOUR, description="How long a sign-in lasts: after it a person has to sign in again"
    )
    account_sso: Path | None = Field(
        None, description="JSON file of the Enrollment SSO document, which names the app that people sign in with"
    )
    account_reauthentication: bool = Field(
        False,
        description="Whether the tokens that devices of accounts show are checked, and people sign in again when "
        "theirs has ended",
    )
    maid_server: str = Field(
        "",
        max_length=100,
        description="Name of the Automated Device Enrollment server whose key vouches for devices when a Managed Apple "
        "Account signs in; the first, if none is named",
    )
    session_time: Duration = Field(
        12 * HOUR, ge=MINUTE, description="How long somebody who administers stays signed in"
    )
    admin_url: Url | None = Field(
        None, description="How administrators reach the admin API, where that is not `public_url`"
    )
    admin_groups: Table = Field(
        default_factory=dict[str, str],
        description="Groups of the identity provider whose people may administer, and the role of each: a table of "
        "groups and roles, of which the first that fits counts",
    )
    admin_groups_claim: str = Field(
        "groups", min_length=1, max_length=100, description="The provider's claim that lists an administrator's groups"
    )
    admin_name_claim: str = Field(
        "email",
        min_length=1,
        max_length=100,
        description="The provider's claim by which an administrator is known here",
    )
    confirm_above: int = Field(
        10,
        ge=0,
        description="Devices that one dangerous request (erase, lock, unlock) may name without `confirm`, their number",
    )
    max_body: int = Field(16 * 1024 * 1024, ge=64 * 1024, description="Largest message of a device, bytes")
    max_requests: int = Field(1024, ge=1, description="Device requests under way at once; beyond it the answer is 503")
    sealing_key_file: Path = Field(
        default_factory=_in_data("sealing.key"), description="File of the sealing key, in base64"
    )
    sealing_key: SecretStr | None = Field(
        None, description="The sealing key itself, in base64, instead of the file; from the environment only"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`, `console`, or `auto`: console on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged")
