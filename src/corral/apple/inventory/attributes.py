"""The catalog of what is known of a device once: name, kind, title, unit, and where Apple's answer has it.

The documentation, the readers of answers and the language of questions are all made of this table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from corral.apple.inventory.value import Kind

CHECK_IN, DEVICE, SECURITY = "CheckIn", "DeviceInformation", "SecurityInfo"
"""Reports: what a device says when it enrolls, and its answers to these commands."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`path`: the keys of Apple's answer, without its one key for all; empty where no answer has it."""

    name: str
    kind: Kind
    title: str
    report: str
    path: tuple[str, ...] = ()
    unit: str = ""

    @property
    def source(self) -> str:
        """For people: `SecurityInfo FirewallSettings.StealthMode`."""
        return f"{self.report} {'.'.join(self.path)}".rstrip()


_KINDS = {"t": Kind.TEXT, "n": Kind.NUMBER, "b": Kind.YES_NO, "d": Kind.TIME, "v": Kind.VERSION}

# name, kind, Apple's key, title; a unit stands in brackets at the end of the title.
_DEVICE = """
os_version              v OSVersion                     Version of the operating system
os_version_extra        t SupplementalOSVersionExtra    Rapid Security Response, as (a)
build_version           t BuildVersion                  Build of the operating system
build_version_extra     t SupplementalBuildVersion      Build of the Rapid Security Response
name                    t DeviceName                    Name
serial                  t SerialNumber                  Serial number
model                   t Model                         Model, with region
model_name              t ModelName                     Name of the model
model_number            t ModelNumber                   Number of the model
product                 t ProductName                   Product, as MacBookPro18,3
apple_silicon           b IsAppleSilicon                Has Apple silicon
capacity                n DeviceCapacity                Capacity [GB]
capacity_free           n AvailableDeviceCapacity       Free capacity [GB]
battery_level           n BatteryLevel                  Battery level, 1 is full
has_battery             b HasBattery                    Has a battery
supervised              b IsSupervised                  Supervised
shared_ipad             b IsMultiUser                   Shared iPad
lost_mode               b IsMDMLostModeEnabled          In Lost Mode
find_my                 b IsDeviceLocatorServiceEnabled Find My is on
activation_lock         b IsActivationLockEnabled       Activation Lock is on
activation_lock_supported b IsActivationLockSupported   Activation Lock is supported
awaiting_configuration  b AwaitingConfiguration         Waits in Setup Assistant
imei                    t IMEI                          IMEI
meid                    t MEID                          MEID
modem_firmware          t ModemFirmwareVersion          Firmware of the modem
cellular_technology     n CellularTechnology            Cellular: 0 none, 1 GSM, 2 CDMA, 3 both
iccid                   t ICCID                         ICCID of the SIM
phone_number            t PhoneNumber                   Phone number
carrier                 t CurrentCarrierNetwork         Carrier that it uses now
sim_carrier             t SIMCarrierNetwork             Carrier of the SIM
carrier_settings        v CarrierSettingsVersion        Version of the carrier's settings
roaming                 b IsRoaming                     Is roaming
data_roaming            b DataRoamingEnabled            Data roaming is on
voice_roaming           b VoiceRoamingEnabled           Voice roaming is on
hotspot                 b PersonalHotspotEnabled        Personal Hotspot is on
tethered                b IsNetworkTethered             Is tethered to a network
wifi_mac                t WiFiMAC                       MAC address of Wi-Fi
bluetooth_mac           t BluetoothMAC                  MAC address of Bluetooth
ethernet_mac            t EthernetMAC                   MAC address of Ethernet
host_name               t HostName                      Host name
local_host_name         t LocalHostName                 Local host name
time_zone               t TimeZone                      Time zone
tv_id                   t DeviceID                      Identifier of an Apple TV
eas_id                  t EASDeviceIdentifier           Identifier for Exchange ActiveSync
cloud_backup            b IsCloudBackupEnabled          iCloud Backup is on
cloud_backup_at         d LastCloudBackupDate           Last iCloud Backup
store_account           b iTunesStoreAccountIsActive    An App Store account is signed in
do_not_disturb          b IsDoNotDisturbInEffect        Do Not Disturb is in effect
diagnostics             b DiagnosticSubmissionEnabled   Sends diagnostics to Apple
app_analytics           b AppAnalyticsEnabled           Shares analytics with developers
lights_out              b SupportsLOMDevice             Can be a device of Lights Out Management
residents_most          n MaximumResidentUsers          Most users of a Shared iPad
residents_estimated     n EstimatedResidentUsers        Users that a Shared iPad has room for
residents               n ResidentUsers                 Users on a Shared iPad
resident_quota          n QuotaSize                     Quota of a user of a Shared iPad [MB]
temporary_sessions_only b TemporarySessionOnly          Shared iPad for guests only
lock_needs_pin          b PINRequiredForDeviceLock      DeviceLock needs a PIN
erase_needs_pin         b PINRequiredForEraseDevice     EraseDevice needs a PIN
ios_apps                b SupportsiOSAppInstalls        Runs apps for iOS
update_id               t SoftwareUpdateDeviceID        Identifier for software updates
update_recommendations  n SoftwareUpdateSettings.RecommendationsCadence Offered updates: 0 all, 1 older, 2 newest
update_catalog          t OSUpdateSettings.CatalogURL   Catalog of updates
update_catalog_default  b OSUpdateSettings.IsDefaultCatalog Uses Apple's catalog of updates
update_scanned_at       d OSUpdateSettings.PreviousScanDate Last scan for updates
update_auto_check       b OSUpdateSettings.AutoCheckEnabled Looks for updates by itself
update_auto_download    b OSUpdateSettings.BackgroundDownloadEnabled Fetches updates by itself
update_auto_apps        b OSUpdateSettings.AutomaticAppInstallationEnabled Installs updates of apps by itself
update_auto_os          b OSUpdateSettings.AutomaticOSInstallationEnabled Installs updates of the system by itself
update_auto_security    b OSUpdateSettings.AutomaticSecurityUpdatesEnabled Installs security updates by itself
organization            t OrganizationInfo.OrganizationName Organization that it shows
bootstrap_token_allowed b MDMOptions.BootstrapTokenAllowed Bootstrap token is allowed
text_size               n AccessibilitySettings.TextSize Size of text
voice_over              b AccessibilitySettings.VoiceOverEnabled VoiceOver is on
zoom                    b AccessibilitySettings.ZoomEnabled Zoom is on
bold_text               b AccessibilitySettings.BoldTextEnabled Bold text is on
erase_preflight         t EACSPreflight                 Whether Erase All Content and Settings would do
"""

_SECURITY = """
filevault               b FDE_Enabled                   FileVault is on
filevault_personal_key  b FDE_HasPersonalRecoveryKey    FileVault has a personal recovery key
filevault_institutional_key b FDE_HasInstitutionalRecoveryKey FileVault has an institutional recovery key
sip                     b SystemIntegrityProtectionEnabled System Integrity Protection is on
firewall                b FirewallSettings.FirewallEnabled Firewall is on
firewall_block_all      b FirewallSettings.BlockAllIncoming Firewall blocks all incoming connections
firewall_stealth        b FirewallSettings.StealthMode  Firewall is in stealth mode
firmware_password       b FirmwarePasswordStatus.PasswordExists Has a firmware password
firmware_password_pending b FirmwarePasswordStatus.ChangePending A change of the firmware password is pending
recovery_lock           b IsRecoveryLockEnabled         Has a Recovery Lock
secure_boot             t SecureBoot.SecureBootLevel    Level of Secure Boot: off, medium, full
external_boot           t SecureBoot.ExternalBootLevel  Boot from outside: allowed, disallowed
sealed_system           b AuthenticatedRootVolumeEnabled The system volume is authenticated
remote_desktop          b RemoteDesktopEnabled          Remote Desktop is on
dep_enrolled            b ManagementStatus.EnrolledViaDEP Came by Automated Device Enrollment
user_approved           b ManagementStatus.UserApprovedEnrollment Management was approved by a user
user_enrollment         b ManagementStatus.IsUserEnrollment Is a user enrollment
activation_lock_manageable b ManagementStatus.IsActivationLockManageable Activation Lock can be managed
bootstrap_token_authentication t BootstrapTokenAllowedForAuthentication Bootstrap token may authenticate
bootstrap_token_updates b BootstrapTokenRequiredForSoftwareUpdate Updates need the bootstrap token
bootstrap_token_extensions b BootstrapTokenRequiredForKernelExtensionApproval Kernel extensions need it, too
passcode                b PasscodePresent               Has a passcode
passcode_compliant      b PasscodeCompliant             The passcode fits all that asks for one
passcode_compliant_profiles b PasscodeCompliantWithProfiles The passcode fits the profiles
passcode_grace          n PasscodeLockGracePeriod       Locks without asking for the passcode for [s]
passcode_grace_enforced n PasscodeLockGracePeriodEnforced The same, as it is enforced [s]
auto_lock               n AutoLockTime                  Locks by itself after [s]
hardware_encryption     n HardwareEncryptionCaps        Encryption of hardware: 1 blocks, 2 files, 3 both
"""

_CHECK_IN = (
    Attribute("device", Kind.TEXT, "Id: the UDID, or the EnrollmentID of a user enrollment", CHECK_IN),
    Attribute("platform", Kind.TEXT, "Platform: iOS (iPadOS too), macOS, tvOS, visionOS, watchOS", CHECK_IN),
    Attribute("personal", Kind.YES_NO, "Was enrolled by its owner (a user enrollment)", CHECK_IN),
)


def _read(report: str, table: str) -> Iterator[Attribute]:
    for line in table.strip().splitlines():
        name, kind, path, title = line.split(maxsplit=3)
        title, _, unit = title.partition(" [")
        yield Attribute(name, _KINDS[kind], title, report, tuple(path.split(".")), unit.rstrip("]"))


ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType(
    {each.name: each for each in (*_CHECK_IN, *_read(DEVICE, _DEVICE), *_read(SECURITY, _SECURITY))}
)
"""By name, in the order in which they are shown."""

OF_CHECK_IN = (
    *("device", "platform", "personal", "os_version", "build_version", "name", "serial", "model", "model_name"),
    *("product", "imei", "meid"),
)
"""What is known before a device is asked for anything; the answers of later know better."""
