"""Return to Service: a device erases itself and comes back enrolled, without anybody who touches it.

Apple: "Erase a Device" (ReturnToService, iOS 17, tvOS 18, visionOS 26), and the check-in "Return To Service", by
which a device asks for the same when it erases itself.
"""

from corral.apple import plist
from corral.apple.checkin import ReturnToService
from corral.apple.plist import PlistError, PlistValue
from corral.lifecycle.admission import Refusal
from corral.lifecycle.change import Answer, Event
from corral.lifecycle.policy import OnReturn
from corral.lifecycle.serving import NO_RETURN, PLIST
from corral.lifecycle.state import DAY, Device, EnrollmentKind, EscrowKind, Phase
from corral.pki import cms
from corral.service.access.caller import Caller
from corral.service.clock import Clock
from corral.service.commands.commanding import Commanding, Schedule, Sent
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.applicants import applicant_of, described
from corral.service.errors import NotFound, RequestRefused
from corral.service.mdm.transitions import Transitions
from corral.store.directory import Directory
from corral.store.events import EventStore

DELIVERED_WITHIN = 7 * DAY
"""Later the command is not sent any more, ..."""
COMES_BACK_WITHIN = 14 * DAY
"""... so that its enrollment profile is good for a week at least when a device gets it."""


class Returning:
    """`wifi_profile` is given to devices for which none is named."""

    def __init__(
        self,
        admitting: Admitting,
        commanding: Commanding,
        transitions: Transitions,
        directory: Directory,
        events: EventStore,
        clock: Clock,
        on_return: OnReturn,
        wifi_profile: bytes | None,
    ) -> None:
        self._admitting = admitting
        self._commanding = commanding
        self._transitions = transitions
        self._directory = directory
        self._events = events
        self._clock = clock
        self._on_return = on_return
        self._wifi_profile = wifi_profile

    async def erase(self, device: str, wifi_profile: bytes | None, by: Caller) -> Sent:
        """Queue the EraseDevice that brings the device back.

        Raises NotFound, and RequestRefused for a device that could not come back, such as one whose system leaves
        ReturnToService out and would stay erased.
        """
        if wifi_profile is not None:
            check_profile(wifi_profile)
        device_id = await self._directory.resolve(device)
        detail = await self._directory.device(device_id) if device_id is not None else None
        if detail is None:
            raise NotFound(f"There is no device {device}, or more than one; name it by its id.")
        target = detail.device
        _, unable = await self._commanding.judge(target.id, "EraseDevice", {"ReturnToService": {"Enabled": True}})
        if unable.verdict != "eligible" or unable.findings:
            why = unable.problem or "; ".join(f"{each.where} {each.what}" for each in unable.findings)
            raise RequestRefused(f"Device {target.id} cannot return to service: {why}")
        keys = await self._keys(target, wifi_profile, f"EraseDevice by {by.name}")
        expires_at = self._clock() + DELIVERED_WITHIN
        (sent,) = await self._commanding.send(
            [target.id],
            by,
            request_type="EraseDevice",
            keys={"ReturnToService": keys},
            schedule=Schedule(expires_at=expires_at),
        )
        if not sent.queued:
            raise RequestRefused(f"Device {target.id} cannot return to service: {sent.problem}")
        return sent

    async def answer(self, asked: ReturnToService) -> Answer:
        """To a device that erases itself: how it comes back, or that it does not. Raises StoreUnavailable."""
        detail = await self._directory.device(asked.speaker.device_id)
        if self._on_return is OnReturn.REFUSE or detail is None:
            return NO_RETURN
        try:
            keys = await self._keys(detail.device, None, "ReturnToService asked by the device")
        except RequestRefused:
            return NO_RETURN
        told = Event(type="device.returning", at=self._clock(), device_id=detail.device.id)
        await self._events.append((told,))
        return Answer(200, plist.dump({"ReturnToService": keys}), PLIST)

    async def _keys(self, device: Device, wifi_profile: bytes | None, source: str) -> dict[str, PlistValue]:
        """What a device needs to enroll again: a profile under a grant for it alone, a network, its bootstrap token.

        Raises RequestRefused for a device that the admission policy would not let in again.
        """
        applicant = applicant_of(described(device), EnrollmentKind.RETURN_TO_SERVICE)
        profile = await self._admitting.enroll(applicant, source=source, valid=COMES_BACK_WITHIN)
        if isinstance(profile, Refusal):
            raise RequestRefused(f"Device {device.id} would not be admitted again: {profile.why}")
        keys: dict[str, PlistValue] = {"Enabled": True, "MDMProfileData": profile}
        network = wifi_profile or self._wifi_profile
        if network is not None:
            keys["WiFiProfileData"] = network
        token = await self._bootstrap_token(device.id)
        if token is not None:
            keys["BootstrapToken"] = token
        return keys

    async def _bootstrap_token(self, device_id: str) -> bytes | None:
        """Of its present life; only systems that know ReturnToService to keep apps give one into keeping."""
        life = (await self._transitions.look(device_id)).life(Phase.CONNECTED)
        if life is None:
            return None
        return (await self._transitions.look(life.id)).escrow.get(EscrowKind.BOOTSTRAP_TOKEN)


def check_profile(profile: bytes) -> None:
    """Raises RequestRefused for bytes that are no configuration profile, signed or not, with a Wi-Fi payload."""
    try:
        is_plain = profile.lstrip()[:5] == b"<?xml" or profile.startswith(b"bplist")
        keys = plist.parse_dict(profile if is_plain else cms.verify_attached(profile)[0])
    except (PlistError, cms.CmsError) as error:
        raise RequestRefused(f"The Wi-Fi profile cannot be read: {error}") from None
    content = keys.get("PayloadContent")
    payloads = content if isinstance(content, list) else []
    if not any(isinstance(each, dict) and each.get("PayloadType") == "com.apple.wifi.managed" for each in payloads):
        raise RequestRefused("The Wi-Fi profile holds no payload of type com.apple.wifi.managed.")
