"""The catalog of items: the kinds, the fields that each has, and where Apple's answers have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from corral.apple.inventory.value import Kind


@dataclass(frozen=True, slots=True)
class ItemField:
    """`key` is Apple's; empty where the value is made of something else."""

    name: str
    kind: Kind
    title: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class ItemKind:
    """`report` is the command whose answer lists them; `identifier` and `label` are names of fields."""

    name: str
    title: str
    report: str
    identifier: str
    label: str
    fields: Mapping[str, ItemField]


_KINDS = {"t": Kind.TEXT, "n": Kind.NUMBER, "b": Kind.YES_NO, "d": Kind.TIME, "v": Kind.VERSION}

# A kind: its name, the command, the fields that identify it and tell its state, its title; then its fields: name, kind,
# Apple's key (- where there is none), title. What changes all the time (sizes, progress) is no field.
_TABLE = """
app InstalledApplicationList identifier version Installed apps
  identifier   t Identifier           Bundle identifier
  name         t Name                 Name
  version      v ShortVersion         Version (that of the build where it has no other)
  build        v Version              Version of the build
  path         t Path                 Where it is
  beta         b BetaApp              From TestFlight
  ad_hoc       b AdHocCodeSigned      Signed ad hoc
  store        b AppStoreVendable     Is in the App Store
  device_based b DeviceBasedVPP       Has a license of the device
  clip         b IsAppClip            Is an App Clip
  distributor  t DistributorIdentifier Who has distributed it
  source       t Source               How it was declared
  update       b HasUpdateAvailable   Has an update

managed_app ManagedApplicationList identifier status Managed apps
  identifier   t -                    Bundle identifier
  status       t Status               Status, as Managed
  removed_with_profile b -            Goes with the management
  backup_prevented b -                Its data stay out of backups
  configured   b HasConfiguration     Has a configuration
  feedback     b HasFeedback          Has feedback
  validated    b IsValidated          Was validated

profile ProfileList identifier uuid Installed profiles
  identifier   t PayloadIdentifier    PayloadIdentifier
  uuid         t PayloadUUID          PayloadUUID
  name         t PayloadDisplayName   Name
  organization t PayloadOrganization  Organization
  managed      b IsManaged            Was installed by this service
  fixed        b PayloadRemovalDisallowed May not be removed by its user
  encrypted    b IsEncrypted          Came encrypted
  source       t Source               How it was declared
  types        t -                    Types of its payloads, with spaces between

certificate CertificateList fingerprint name Certificates
  fingerprint  t -                    SHA-256 of it, in hexadecimal
  name         t CommonName           Common name
  identity     b IsIdentity           Has its private key
  issuer       t -                    Common name of its issuer
  serial       t -                    Serial number, in hexadecimal
  not_before   d -                    Valid from
  not_after    d -                    Valid until

user UserList name full_name Users
  name         t UserName             Short name
  full_name    t FullName             Full name
  guid         t UserGUID             GUID
  uid          n UID                  UID
  mobile       b MobileAccount        Has a mobile account
  secure_token b HasSecureToken       Has a secure token

update AvailableOSUpdates identifier version Updates that are offered
  identifier   t ProductKey           Product key
  name         t HumanReadableName    Name
  version      v Version              Version
  build        t Build                Build
  critical     b IsCritical           Is critical
  major        b IsMajorOSUpdate      Is a major upgrade
  restart      b RestartRequired      Needs a restart
  security_response b IsSecurityResponse Is a Rapid Security Response
  deferred_until d DeferredUntil      Deferred until

update_status OSUpdateStatus identifier status Updates under way
  identifier   t ProductKey           Product key
  status       t Status               Status, as Downloading
  downloaded   b IsDownloaded         Is downloaded
  next_install d NextScheduledInstall When it is installed next

provisioning_profile ProvisioningProfileList identifier name Provisioning profiles
  identifier   t UUID                 UUID
  name         t Name                 Name
  expires      d ExpiryDate           Valid until

restriction Restrictions identifier value Restrictions in force
  identifier   t -                    Name
  value        t -                    What is in force: yes, no, a number, or words with spaces between
"""


def _read(section: str) -> ItemKind:
    head, *lines = section.splitlines()
    name, report, identifier, label, title = head.split(maxsplit=4)
    fields = dict[str, ItemField]()
    for line in lines:
        field, kind, key, words = line.split(maxsplit=3)
        fields[field] = ItemField(field, _KINDS[kind], words, "" if key == "-" else key)
    return ItemKind(name, title, report, identifier, label, MappingProxyType(fields))


ITEM_KINDS: Mapping[str, ItemKind] = MappingProxyType(
    {kind.name: kind for kind in map(_read, _TABLE.strip().split("\n\n"))}
)
"""By name."""
