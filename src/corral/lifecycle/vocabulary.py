"""Every type of event that Corral writes. `docs/events.md` is made from it; tests hold the code against it."""

from corral.apple.report import Status
from corral.lifecycle.event_type import (
    About,
    EventType,
    Field,
    facts,
    flag,
    number,
    text,
    texts,
    time,
    word,
    words_by_name,
)
from corral.lifecycle.state import EndReason, EnrollmentKind, EscrowKind, Origin, Purpose

_DEVICE, _PERHAPS, _INSTALLATION = About.DEVICE, About.PERHAPS, About.INSTALLATION

_BY = text("by", "who did it")
_WHY = text("why", "the reason, for a person")
_REASON = text("reason", "the reason that was given", optional=True)
_ADMITTED_BY = text("admitted_by", "what let the device in: a link, a grant, an authority")
_FINGERPRINT = text("fingerprint", "SHA-256 of the certificate, in hex")
_STATUS = word("status", [each.value for each in Status], "the device's answer")
_USER = (text("user_id", "Apple's id of the user"), text("user_short_name", "the user's short name", null=True))
_COMMAND = (
    text("command", "the command's UUID"),
    text("request_type", "Apple's name of the command"),
    text("channel", "the channel that it was queued for"),
)
_SERVER = text("server", "the name of the server of automated enrollment")
_DEVICES_BY_SERIAL = words_by_name("devices", "Apple's word for each serial number")
_ESCROW = word("kind", [each.value for each in EscrowKind], "which secret")
_PUSH = (text("channel", "the channel that was pushed"), text("reason", "the push service's reason"))


def _result(consequence: str, meaning: str) -> EventType:
    return EventType(f"command.{consequence}", _DEVICE, meaning, (_STATUS,))


def _identified(name: str, meaning: str, *fields: Field) -> EventType:
    return EventType(name, _DEVICE, meaning, fields)


_CONNECTIONS = (
    _identified(
        "connection.authenticated",
        "A device may enroll; its token is awaited.",
        _ADMITTED_BY,
        text("serial_number", "as the device says", null=True),
        text("os_version", "as the device says", null=True),
        text("would_replace", "the connection that goes on until this one is connected", optional=True),
    ),
    _identified("connection.authenticated-again", "The same life sent Authenticate once more; nothing was reset."),
    _identified(
        "connection.connected",
        "The first token is in: commands and pushes flow.",
        word("origin", [each.value for each in Origin], "how the life began"),
        _ADMITTED_BY,
    ),
    _identified(
        "connection.restored",
        "A device whose connection was over has been accepted again, as a new life with an empty queue.",
        word("origin", [each.value for each in Origin], "how the life began"),
        _ADMITTED_BY,
    ),
    EventType(
        "connection.refused",
        _PERHAPS,
        "A device was not let in.",
        (_WHY, text("serial_number", "as the device says", optional=True, null=True)),
    ),
    _identified(
        "connection.restore-refused",
        "A device whose connection was over came back and was not accepted.",
        text("why", "the reason, for a person", optional=True),
    ),
    _identified(
        "connection.takeover-held",
        "A device enrolled that would take the place of another connection: a person or policy decides.",
        text("would_replace", "the connection that goes on until then"),
        _ADMITTED_BY,
    ),
    _identified("connection.takeover-accepted", "It takes the place of the connection before.", _BY),
    _identified("connection.takeover-refused", "It is told to leave, and the connection before goes on.", _BY),
    _identified(
        "connection.possible-restore",
        "Secrets of the connection changed that a restore from a backup changes.",
        flag("token_changed", "the push token"),
        flag("magic_changed", "the push magic"),
        flag("unlock_token_changed", "the unlock token"),
    ),
    EventType(
        "connection.clone-refused",
        _PERHAPS,
        "A certificate that is bound to this device was shown by another one: a clone, a migrated Mac, a theft.",
        (text("claimed_device_id", "the device that it says it is"),),
    ),
    EventType("connection.old-certificate-heard", _PERHAPS, "A certificate that a renewal replaced was used again."),
    _identified("connection.old-life-heard", "A connection that a newer one replaced was heard again: an alarm."),
    _identified("connection.still-here", "A device whose connection is over was heard."),
    _identified("connection.renewal-asked", "The renewal of the identity certificate began.", _BY, _REASON),
    _identified("connection.renewal-authenticated", "The device came with its new certificate; its token is awaited."),
    _identified("connection.renewed", "The device goes on under its new certificate.", _FINGERPRINT),
    _identified("connection.renewal-failed", "The device did not install the renewing profile."),
    _identified("connection.installation-failed", "The device did not take the profile that was meant to replace its."),
    _identified("connection.ending", "The connection is being ended: RemoveProfile goes first.", _BY, _REASON),
    _identified("connection.removal-failed", "The device could not remove its profile; it is told to leave instead."),
    _identified(
        "connection.ended",
        "The connection is over.",
        word("reason", [each.value for each in EndReason], "how it ended"),
        text("proof", "what shows it"),
    ),
    _identified("connection.checked-out", "A device checked out whose connection was over already."),
    EventType(
        "connection.unenroll-answered",
        _PERHAPS,
        "A device was told to leave.",
        (text("answer", "401, or 403 with the document"), _WHY),
    ),
    _identified("channel.connected", "A user channel has a token.", *_USER),
    _identified("channel.ended", "A user channel is over.", *_USER),
    _identified("user.authenticated", "A user of a device signed in with a digest.", *_USER),
    _identified("user.refused", "A user of a device gave a wrong password.", *_USER),
)

_DEVICES = (
    _identified("device.blocked", "The device is kept out.", _BY, _REASON),
    _identified("device.unblocked", "The device may enroll again.", _BY, _REASON),
    _identified("device.woken", "A person had the device called by a push.", _BY),
    EventType(
        "device.forgotten",
        _INSTALLATION,
        "All that was known of a device was deleted.",
        (_BY, text("device", "its id")),
    ),
    _identified("device.erasing", "The device acknowledged EraseDevice."),
    _identified(
        "configuration.awaited",
        "The device, or a user of it, waits in Setup Assistant.",
        text("user_id", "the user whose setup it is", optional=True),
    ),
    _identified(
        "configuration.done",
        "The device, or a user of it, was told to go on in Setup Assistant.",
        text("user_id", "the user whose setup it was", optional=True),
    ),
    _identified(
        "configuration.failed",
        "The device refused to go on in Setup Assistant.",
        text("user_id", "the user whose setup it was", optional=True),
    ),
    _identified(
        "configuration.sent-again",
        "A device, or a user of it, still waits in Setup Assistant, and is told once more to go on.",
        text("user_id", "the user whose setup it is", optional=True),
    ),
    _identified(
        "device.returning", "The device was erased to return to service, and has a profile to enroll with again."
    ),
    _identified("escrow.stored", "The device gave a secret into keeping.", _ESCROW),
    _identified("escrow.unreadable", "The device gave a secret that was not encrypted for this installation.", _ESCROW),
    _identified("escrow.withdrawn", "The device said that it holds this secret no more.", _ESCROW),
    _identified(
        "escrow.shown",
        "A person looked at a secret.",
        _ESCROW,
        number("number", "which version"),
        _BY,
        text("reason", "what for"),
    ),
)

_CERTIFICATES = (
    EventType(
        "certificate.issued",
        _PERHAPS,
        "An identity certificate was issued.",
        (
            word("purpose", [each.value for each in Purpose], "what for"),
            _FINGERPRINT,
            text("grant", "the grant that it was issued under"),
            facts("attested", "what Apple attested of the device", optional=True),
        ),
    ),
    EventType(
        "certificate.revoked",
        _PERHAPS,
        "An identity certificate is believed no longer.",
        (_FINGERPRINT, text("by", "who did it", optional=True), _WHY),
    ),
    _identified(
        "certificate.rebound",
        "A certificate of ours whose binding was missing belongs to its device again.",
        _FINGERPRINT,
    ),
    *(
        _identified(
            f"identity.{name}",
            meaning,
            _FINGERPRINT,
            number("not_after", "when it ends, in milliseconds since 1970"),
            number("days_left", "days"),
            _WHY,
        )
        for name, meaning in (
            ("expiring", "A device's certificate ends soon, and nothing replaces it."),
            ("expired", "A device's certificate has ended, and nothing replaced it."),
        )
    ),
    EventType(
        "certificate.refused",
        _INSTALLATION,
        "A request for a certificate was refused.",
        (_WHY, text("link", "of this link", optional=True), text("grant", "of this grant", optional=True)),
    ),
)

_COMMANDS = (
    EventType(
        "command.queued",
        _PERHAPS,
        "A person or program queued a command for devices.",
        (
            _BY,
            text("command", "its UUID"),
            text("request_type", "Apple's name of it"),
            texts("devices", "ids of the first hundred"),
            number("count", "devices"),
        ),
    ),
    EventType("command.cancelled", _DEVICE, "A command was taken out of a queue.", (_BY, *_COMMAND)),
    EventType("command.expired", _DEVICE, "A command was not taken before its time was over.", _COMMAND),
    _result("remove-profile", "The answer to a RemoveProfile that changes no connection."),
    _result("erase-device", "The device could not be erased."),
    _result("device-configured", "The answer to a DeviceConfigured that nobody waited for."),
    _result("user-configured", "The answer to a UserConfigured of a channel that is not known."),
    _result("renewal", "The answer to a renewing InstallProfile."),
    EventType(
        "command.revealed",
        _DEVICE,
        "A person looked at a command with its secrets, and at what was answered.",
        (_BY, text("reason", "what for"), text("command", "its UUID"), text("request_type", "Apple's name of it")),
    ),
    EventType("queue.cleared", _DEVICE, "All open commands of a device were cancelled.", (_BY,)),
)

_PUSHES = (
    _identified("push.token-changed", "The device has another push token."),
    _identified(
        "push.topic-unknown", "There is no push certificate for the topic of this device.", text("topic", "its topic")
    ),
    _identified(
        "push.unregistered", "Apple says that the token is good no longer; no push until the next one.", *_PUSH
    ),
    _identified("push.misconfigured", "Apple refuses a push in a way that is not the device's fault.", *_PUSH),
    EventType(
        "push.topic-stopped",
        _INSTALLATION,
        "Apple refuses the push certificate; nothing is pushed until another one is imported.",
        (text("topic", "of the certificate"), text("reason", "the push service's reason")),
    ),
    EventType("push-certificate.requested", _INSTALLATION, "A signing request was made.", (_BY,)),
    EventType(
        "push-certificate.imported",
        _INSTALLATION,
        "A push certificate was imported.",
        (
            _BY,
            text("topic", "of the certificate"),
        ),
    ),
)

_ENROLLMENT = (
    EventType(
        "enrollment.admitted",
        _PERHAPS,
        "Somebody was admitted, and has a profile.",
        (
            text("grant", "what the admission made"),
            word("kind", [each.value for each in EnrollmentKind], "the way in"),
            text("serial_number", "as it was asked with", null=True),
            text("account", "who enrolls", null=True),
            text("source", "where the assignment came from", null=True),
            text("evidence", "what was known of the device", null=True),
            text("identity", "how it gets its certificate"),
        ),
    ),
    EventType(
        "enrollment.refused",
        _PERHAPS,
        "Somebody was not admitted.",
        (
            word("kind", [each.value for each in EnrollmentKind], "the way in"),
            _WHY,
            text("rule", "the rule of the policy", null=True),
            text("answer", "what was told"),
            text("serial_number", "as it was asked with", null=True),
            text("account", "who asked", null=True),
            text("product", "the model", null=True),
            text("os_version", "as it was asked with", null=True),
        ),
    ),
    EventType(
        "link.created",
        _INSTALLATION,
        "An enrollment link was made.",
        (text("link", "its id"), _BY, number("uses", "how often it may be used", null=True), text("note", "its note")),
    ),
    EventType(
        "link.profile-made",
        _INSTALLATION,
        "A person or program got a profile for one device under a link.",
        (text("link", "its id"), _BY),
    ),
    EventType("link.revoked", _INSTALLATION, "An enrollment link was withdrawn.", (text("link", "its id"), _BY)),
    EventType(
        "policy.changed",
        _INSTALLATION,
        "The admission policy is another one.",
        (_BY, texts("rules", "names of its rules")),
    ),
    EventType(
        "account.signed-in",
        _INSTALLATION,
        "A person signed in to enroll.",
        (text("session", "its id"), text("account", "who")),
    ),
    EventType("account.sign-in-refused", _INSTALLATION, "A person who signed in may not enroll.", (_WHY,)),
    EventType("account.session-revoked", _INSTALLATION, "A sign-in was ended.", (text("session", "its id"), _BY)),
)

_AUTOMATED = (
    EventType("ade.server-added", _INSTALLATION, "A server of automated enrollment was added.", (_SERVER, _BY)),
    EventType("ade.server-removed", _INSTALLATION, "A server of automated enrollment was forgotten.", (_SERVER, _BY)),
    EventType(
        "ade.token-imported",
        _INSTALLATION,
        "A server has a token.",
        (_SERVER, _BY, time("expires_at", "when the token ends"), text("org", "the organization at Apple")),
    ),
    EventType(
        "ade.token-expiring",
        _INSTALLATION,
        "The token of a server ends soon.",
        (_SERVER, time("expires_at", "when it ends"), number("days", "that are left")),
    ),
    EventType(
        "ade.default-set",
        _INSTALLATION,
        "Devices that no rule is about get another profile.",
        (_SERVER, _BY, text("profile", "its name; empty: none")),
    ),
    EventType(
        "ade.discovery-registered",
        _INSTALLATION,
        "Apple was told where account-driven enrollment is found.",
        (_SERVER, _BY, text("url", "where")),
    ),
    EventType(
        "ade.profile-defined",
        _INSTALLATION,
        "A profile was defined at Apple.",
        (_SERVER, _BY, text("profile", "its name"), text("uuid", "Apple's id of it")),
    ),
    EventType(
        "ade.profile-removed", _INSTALLATION, "A profile was forgotten.", (_SERVER, _BY, text("profile", "its name"))
    ),
    EventType(
        "ade.rules-set",
        _INSTALLATION,
        "Which devices get which profile was set.",
        (_SERVER, _BY, texts("rules", "in order")),
    ),
    EventType(
        "ade.devices-assigned",
        _INSTALLATION,
        "A person gave devices a profile.",
        (_SERVER, _BY, text("profile", "its name"), texts("devices", "serial numbers")),
    ),
    EventType(
        "ade.devices-unassigned",
        _INSTALLATION,
        "A person took devices their profile.",
        (_SERVER, _BY, text("profile", "empty"), texts("devices", "serial numbers")),
    ),
    EventType(
        "ade.devices-released",
        _INSTALLATION,
        "Devices are left to the rules again.",
        (_SERVER, _BY, texts("devices", "serial numbers")),
    ),
    EventType("ade.assignment-failed", _INSTALLATION, "Apple did not assign a profile.", (_SERVER, _DEVICES_BY_SERIAL)),
    EventType(
        "ade.devices-disowned", _INSTALLATION, "Devices were given up for ever.", (_SERVER, _BY, _DEVICES_BY_SERIAL)
    ),
    EventType(
        "ade.device-locked",
        _INSTALLATION,
        "A device was locked to the organization.",
        (_SERVER, _BY, text("device", "its serial number"), text("outcome", "Apple's word")),
    ),
    EventType(
        "ade.synced",
        _INSTALLATION,
        "The list of devices was brought up to date, and something was new in it.",
        (
            _SERVER,
            flag("whole", "all devices were fetched, not only changes"),
            number("added", "devices"),
            number("changed", "devices"),
            number("removed", "devices"),
            number("assigned", "devices that were given a profile"),
            number("open", "devices whose assignment is still to be carried out"),
        ),
    ),
    *(
        EventType(f"ade.{name}", _INSTALLATION, meaning, (_SERVER, text("reason", "for a person")))
        for name, meaning in (
            ("terms-not-signed", "Apple asks for new terms to be signed."),
            ("token-refused", "Apple refuses the token."),
            ("unavailable", "Apple cannot be reached."),
            ("sync-failed", "The list of devices could not be brought up to date."),
        )
    ),
)

_EXPIRY = (
    text("kind", "what it is"),
    text("name", "which one"),
    time("not_after", "when it ends"),
    number("days_left", "days"),
    text("remedy", "what to do"),
)

_AUTHORITY = (text("authority", "its id"), text("subject", "its name"))

_OPERATION = (
    EventType(
        "breaker.opened",
        _PERHAPS,
        "Too many devices would have been told to leave: nobody is until a person closes the breaker.",
        (number("limit", "connections"), number("window_seconds", "within this time")),
    ),
    EventType("breaker.closed", _INSTALLATION, "A person closed the breaker.", (_BY,)),
    EventType(
        "authority.rotated",
        _INSTALLATION,
        "There is a new authority; devices are renewed over to it.",
        (_BY, *_AUTHORITY, time("moved_by", "when all devices should have been")),
    ),
    EventType(
        "authority.retired",
        _INSTALLATION,
        "An authority is believed no longer.",
        (_BY, *_AUTHORITY, texts("dependent", "what still depended on it")),
    ),
    EventType("expiry.near", _INSTALLATION, "Something ends soon.", _EXPIRY),
    EventType("expiry.over", _INSTALLATION, "Something has ended.", _EXPIRY),
)

_TOKEN = (text("token", "its id"), text("name", "its name"))
_PERSON = (text("user", "the user's id"), text("name", "the user's name"))
_ROLE = text("role", "the role's name")
_ALLOWED = texts("permissions", "what it allows")

_ACCESS = (
    EventType("token.created", _INSTALLATION, "A token of the API was made.", (_BY, *_TOKEN, _ROLE, _ALLOWED)),
    EventType("token.revoked", _INSTALLATION, "A token of the API was revoked.", (_BY, *_TOKEN)),
    EventType("role.created", _INSTALLATION, "A role was made.", (_BY, _ROLE, _ALLOWED)),
    EventType("role.changed", _INSTALLATION, "A role allows something else.", (_BY, _ROLE, _ALLOWED)),
    EventType("role.removed", _INSTALLATION, "A role is gone.", (_BY, _ROLE)),
    EventType("user.added", _INSTALLATION, "Somebody may administer.", (_BY, *_PERSON, _ROLE)),
    EventType("user.role-set", _INSTALLATION, "A user has another role.", (_BY, *_PERSON, _ROLE)),
    EventType("user.password-set", _INSTALLATION, "A user has another password.", (_BY, *_PERSON)),
    EventType("user.disabled", _INSTALLATION, "A user cannot sign in any more.", (_BY, *_PERSON)),
    EventType("user.enabled", _INSTALLATION, "A user may sign in again.", (_BY, *_PERSON)),
    EventType(
        "session.begun",
        _INSTALLATION,
        "A user signed in.",
        (
            _BY,
            text("user", "the user's id"),
            text("session", "its id"),
            word("how", ["password", "identity provider"], "by what"),
        ),
    ),
    EventType("session.ended", _INSTALLATION, "A user was signed out.", (_BY, text("session", "its id"))),
)

_PROFILE = (text("profile", "its id"), text("identifier", "its PayloadIdentifier"))
_APP = (text("app", "its id"), text("bundle_id", "its bundle id"), text("version", "its version"))
_VERSION = number("version", "which one")

_CONTENT = (
    EventType(
        "profile.added", _INSTALLATION, "A profile, or a version of one, was stored.", (_BY, *_PROFILE, _VERSION)
    ),
    EventType("profile.shown", _INSTALLATION, "A person looked at what a profile holds.", (_BY, *_PROFILE, _VERSION)),
    EventType(
        "inventory.schedule-changed",
        _INSTALLATION,
        "Devices are asked for their inventory by another schedule.",
        (_BY, texts("rules", "its rules, in a line each")),
    ),
    EventType(
        "inventory.asked-for",
        _PERHAPS,
        "A person wants the inventory of devices now.",
        (
            _BY,
            texts("reports", "what they are asked for, as Apple names it"),
            texts("devices", "their ids; of many the first hundred"),
            number("count", "how many they are"),
        ),
    ),
    EventType("profile.removed", _INSTALLATION, "A stored profile was deleted.", (_BY, *_PROFILE)),
    EventType("app.added", _INSTALLATION, "An app was added.", (_BY, *_APP)),
    EventType("app.removed", _INSTALLATION, "An app was removed.", (_BY, *_APP)),
)

_WEBHOOK = text("webhook", "its id")

_WEBHOOKS = (
    EventType(
        "webhook.added",
        _INSTALLATION,
        "A webhook was added.",
        (_WEBHOOK, _BY, texts("types", "patterns of event types")),
    ),
    EventType(
        "webhook.changed",
        _INSTALLATION,
        "A webhook was changed.",
        (_WEBHOOK, _BY, texts("fields", "what of it changed")),
    ),
    EventType("webhook.rotated", _INSTALLATION, "A webhook signs with another secret.", (_WEBHOOK, _BY)),
    EventType("webhook.removed", _INSTALLATION, "A webhook was removed.", (_WEBHOOK, _BY)),
    EventType("webhook.disabled", _INSTALLATION, "A webhook sends nothing any more.", (_WEBHOOK, _BY, _WHY)),
    EventType("webhook.enabled", _INSTALLATION, "A webhook goes on where it stood.", (_WEBHOOK, _BY)),
    EventType(
        "webhook.replayed",
        _INSTALLATION,
        "A webhook sends events again.",
        (_WEBHOOK, _BY, number("after", "the number behind which it begins")),
    ),
    EventType(
        "webhook.letter-dead",
        _INSTALLATION,
        "An event was not taken for three days and is tried no more.",
        (_WEBHOOK, number("sequence", "the event's number"), _WHY),
    ),
    EventType("webhook.resent", _INSTALLATION, "Dead letters of a webhook are tried again.", (_WEBHOOK, _BY)),
    EventType("webhook.test", _INSTALLATION, "Only sent by `corral webhook test`, and never kept.", (_WEBHOOK,)),
)

VOCABULARY: dict[str, EventType] = {
    each.name: each
    for each in (
        *_CONNECTIONS,
        *_DEVICES,
        *_CERTIFICATES,
        *_COMMANDS,
        *_PUSHES,
        *_ENROLLMENT,
        *_AUTOMATED,
        *_OPERATION,
        *_ACCESS,
        *_CONTENT,
        *_WEBHOOKS,
    )
}
"""By name, in the order of the document."""

OF_RIGHTS = frozenset(each.name for each in _ACCESS)
"""Those that tell who may do what: not for everybody who may hear of devices."""
