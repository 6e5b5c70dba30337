"""What an operator sets: from flags, the environment (`CORRAL_*`), one file (`DATA/corral.toml`) and defaults,
the first of these that names a setting counts.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from corral.lifecycle.policy import (
    Admission,
    Attestation,
    OnExpiredIdentity,
    OnLostBinding,
    OnRestore,
    OnReturn,
    OnTakeover,
    Policy,
    UserAuthentication,
)
from corral.lifecycle.state import DAY, HOUR, MINUTE, SECOND, IdentityKind, Instant

FILE = "corral.toml"
DEFAULT_DATA = Path("data")

_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(\d{1,9})\s*(ms|[smhdw])")


class SettingsError(ValueError):
    """A setting is wrong; one line says which, and what is allowed."""


def parse_duration(given: object) -> Instant:
    """Milliseconds of `7d`, `10m`, `1h30m`, or of a number, which is in seconds. Raises ValueError."""
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 1e11:
        return int(given * 1000)
    text = str(given).strip().lower()
    if text.isdecimal() and len(text) < 12:
        return int(text) * 1000
    rest = _DURATION.sub("", text).strip()
    if rest or not text:
        raise ValueError(f"a duration such as 7d, 12h, 10m or 30s, not {text!r}")
    return sum(int(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def _parse_retention(given: object) -> Instant | None:
    if given is None or str(given).strip().lower() == "forever":
        return None
    span = parse_duration(given)
    if span < HOUR:
        raise ValueError("`forever`, or at least 1h")
    return span


def _split(given: object) -> object:
    """Lists come from the environment and from flags as one string, with commas."""
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


def _pairs(given: object) -> object:
    """A table comes from the environment and from flags as `name=value,name=value`."""
    if not isinstance(given, str):
        return given
    pairs = [part.partition("=") for part in given.split(",") if part.strip()]
    if not all(equals and name.strip() for name, equals, _ in pairs):
        raise ValueError("a list of NAME=VALUE with commas between them")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _check_address(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise ValueError(f"HOST:PORT, such as 0.0.0.0:443 or [::]:443, not {address!r}")
    return address


def _check_proxy(proxy: str) -> str:
    try:
        return str(ip_network(proxy))
    except ValueError:
        raise ValueError(f"the IP address or network of a proxy, such as 10.0.0.7, not {proxy!r}") from None


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 443) > 0
    except ValueError:
        valid, parts = False, urlsplit("")
    if not valid or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"https://HOST or https://HOST:PORT without a path, not {url!r}")
    return url.rstrip("/")


def _check_issuer(url: str) -> str:
    """Kept exactly as given: it is compared with what the provider says of itself."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 443) > 0
    except ValueError:
        valid, parts = False, urlsplit("")
    if not valid or parts.query or parts.fragment or parts.username:
        raise ValueError(f"the https URL of an identity provider, such as https://id.example.org/tenant, not {url!r}")
    return url


def _check_network(network: str) -> str:
    try:
        return str(ip_network(network))
    except ValueError:
        raise ValueError(f"IP addresses or networks, such as 10.1.0.0/16, not {network!r}") from None


def _check_database(given: str) -> str:
    """Never quotes what was given: a password may be in it."""
    try:
        parts = urlsplit(given)
        servers = parts.netloc.rpartition("@")[2].split(",")
        ports = [urlsplit(f"//{server}").port for server in servers]
        valid = given == "sqlite" or (parts.scheme in ("postgresql", "postgres") and 0 not in ports)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("sqlite, or postgresql://USER:PASSWORD@HOST:PORT/NAME; of several servers HOST:PORT,HOST:PORT")
    return given


def _check_authority(authorities: dict[str, Path]) -> dict[str, Path]:
    for name in authorities:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
            raise ValueError(f"names of letters, digits, dot and hyphen for the authorities, not {name!r}")
    return authorities


Table = Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)]
Duration = Annotated[int, BeforeValidator(parse_duration)]
Retention = Annotated[int | None, BeforeValidator(_parse_retention)]
Url = Annotated[str, AfterValidator(_check_url)]
Issuer = Annotated[str, AfterValidator(_check_issuer)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_check_network)], ...], NoDecode, BeforeValidator(_split)]
Database = Annotated[str, AfterValidator(_check_database)]
Addresses = Annotated[tuple[Annotated[str, AfterValidator(_check_address)], ...], NoDecode, BeforeValidator(_split)]
Proxies = Annotated[tuple[Annotated[str, AfterValidator(_check_proxy)], ...], NoDecode, BeforeValidator(_split)]
Authorities = Annotated[dict[str, Path], NoDecode, BeforeValidator(_pairs), AfterValidator(_check_authority)]


def _in_data(name: str) -> Callable[[dict[str, Any]], Path]:
    """A default that lies in the data folder."""

    def default(values: dict[str, Any]) -> Path:
        return Path(values.get("data", DEFAULT_DATA)) / name

    return default


class Settings(BaseSettings):
    """All settings, checked. Durations are milliseconds."""

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

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.tls == "files" and (self.tls_certificate is None or self.tls_key is None):
            raise ValueError("tls = files needs tls_certificate and tls_key")
        if self.tls != "files" and (self.tls_certificate is not None or self.tls_key is not None):
            raise ValueError(f"tls_certificate and tls_key need tls = files, not {self.tls}")
        if self.tls == "off" and not self.proxy and not all(map(_is_loopback, self.listen)):
            raise ValueError("tls = off needs a proxy, named in `proxy`, or addresses in `listen` that are local")
        if self.proxy_address_header and not self.proxy:
            raise ValueError("proxy_address_header needs the address of the proxy in `proxy`")
        if self.identity == "header" and not self.proxy:
            raise ValueError("identity = header needs the address of the proxy in `proxy`")
        if self.identity == "tls" and self.tls == "off":
            raise ValueError("identity = tls needs TLS: set tls to own or files")
        if (self.user_authentication is UserAuthentication.DIGEST) != (self.user_file is not None):
            raise ValueError("user_authentication = digest needs user_file, and the other way round")
        if self.workers > 1 and self.database == "sqlite":
            raise ValueError("workers above 1 need PostgreSQL: set database to its URL")
        if self.pooler != "none" and self.database == "sqlite":
            raise ValueError("pooler is for PostgreSQL: set database to its URL")
        if self.oidc_issuer is not None and not (self.oidc_client_id and (self.account_domains or self.admin_groups)):
            raise ValueError(
                "oidc_issuer needs oidc_client_id, and account_domains (whose accounts may enroll) or admin_groups"
            )
        if self.admin_groups and self.oidc_issuer is None:
            raise ValueError("admin_groups needs an identity provider: set oidc_issuer")
        if self.admission is Admission.TRUSTED_IDENTITY and not self.authorities:
            raise ValueError("admission = trusted-identity needs at least one authority in `authorities`")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        given = dict[str, Any]()
        if isinstance(init_settings, InitSettingsSource):
            given |= cast(dict[str, Any], init_settings.init_kwargs)  # pyright: ignore[reportUnknownMemberType] - a bare dict there
        data = Path(given.get("data") or os.environ.get("CORRAL_DATA") or DEFAULT_DATA)
        return init_settings, env_settings, InitSettingsSource(settings_cls, _read_file(data))

    def policy(self) -> Policy:
        """What the life cycle needs of these settings."""
        return Policy(
            on_restore=self.on_restore,
            on_takeover=self.on_takeover,
            on_lost_binding=self.on_lost_binding,
            on_expired_identity=self.on_expired_identity,
            admission=self.admission,
            attestation=self.attestation,
            user_authentication=self.user_authentication,
            manage_users=self.manage_users,
            collect_inventory=self.collect_inventory,
            ending_deadline=self.ending_deadline,
            breaker_limit=self.breaker_limit,
            breaker_window=self.breaker_window,
            setup_time=self.setup_time,
            configured_retry=self.configured_retry,
            installation_time=self.installation_time,
            renewal_time=self.renewal_time,
            not_now_push=self.not_now_push,
            keys_per_grant=self.keys_per_grant,
        )


def read_settings(flags: Mapping[str, object] | None = None) -> Settings:
    """The settings of an installation; `flags` are those given on the command line. Raises SettingsError."""
    values: dict[str, Any] = {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error.errors(include_url=False, include_input=False)[0])) from None


def _read_file(data: Path) -> dict[str, Any]:
    """The settings file of a data folder; paths in it are relative to that folder."""
    path = data / FILE
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not readable TOML: {error}.") from None
    for name in ("data", "sealing_key"):
        if name in values:
            raise SettingsError(f"{path} cannot hold {name}; give it on the command line or in the environment.")
    for name in (
        "admin_socket",
        "tls_certificate",
        "tls_key",
        "apns_ca",
        "ade_ca",
        "attestation_roots",
        "sealing_key_file",
        "oidc_ca",
        "webhook_ca",
        "account_sso",
        "user_file",
        "return_to_service_wifi",
    ):
        if isinstance(values.get(name), str):
            values[name] = data / values[name]
    authorities = values.get("authorities")
    if isinstance(authorities, dict):
        values["authorities"] = {key: data / str(value) for key, value in authorities.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - TOML is untyped
    return values


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _explain(error: ErrorDetails) -> str:
    """One line for what pydantic found first."""
    what = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return f"Settings do not fit together: {what}."
    name = str(error["loc"][0])
    match error["type"]:
        case "missing":
            return f"Setting {name} (CORRAL_{name.upper()}) is missing: {Settings.model_fields[name].description}."
        case "extra_forbidden":
            return f"There is no setting {name}; see `corral serve --help` and docs/settings.md."
        case "value_error":
            return f"Setting {name} (CORRAL_{name.upper()}) must be {what}."
        case _:
            what = re.sub(r"^(Input|String|Tuple|Dictionary) should ", "", what)
            return f"Setting {name} (CORRAL_{name.upper()}) must {what}."
