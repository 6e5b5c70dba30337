"""The command loop of one channel: poll, execute, report, until the service has nothing more.

Source: Apple, "Sending MDM commands to a device". A result that is not taken is kept and sent again; NotNow is
not, since the command will come again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from corral.apple.plist import PlistError, PlistValue, parse_dict
from corral.simulator.asked import Reply, Then
from corral.simulator.behaviour import Broken
from corral.simulator.enrollment import Channel, Enrollment
from corral.simulator.speaking import Accepted, Failed, Verdict, Voice, judge
from corral.simulator.transport import Response, Unreachable

NOT_NOW: Final = "NotNow"


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """`keys` are those beside the RequestType."""

    uuid: str
    request_type: str
    keys: Mapping[str, PlistValue] = field(repr=False)


class Executor(Protocol):
    """The device behind a channel."""

    @property
    def enrollment(self) -> Enrollment | None: ...

    async def execute(self, channel: Channel, command: CommandReceived) -> Reply:
        """Do what is commanded; what ends the enrollment is only announced (`Reply.then`)."""
        ...

    async def afterwards(self, channel: Channel, then: Then) -> None:
        """Do what was announced: the result is out."""
        ...

    def complain(self, what: str) -> None:
        """The service has broken the protocol."""
        ...


async def converse(executor: Executor, voice: Voice, channel: Channel) -> Verdict:
    """One session. The verdict is that over its last message: Accepted when it ended with an empty body."""
    refused: set[str] = set()  # CommandUUIDs that got NotNow in this session
    message, status, then = channel.poll(), "Idle", Then.GO_ON
    if channel.unsent is not None:
        message, status = channel.unsent, ""
    while True:
        enrollment = executor.enrollment
        if enrollment is None or channel not in enrollment.channels:
            return Accepted()
        is_result = status not in ("Idle", NOT_NOW)
        response = await _deliver(voice, enrollment, message, voice.behaviour.patience.attempts if is_result else 1)
        verdict = response if isinstance(response, Failed) else judge(response, voice.facts)
        if isinstance(verdict, Accepted):
            channel.unsent = None
            channel.last_status = status
        elif is_result:
            channel.unsent = message
        if then is not Then.GO_ON:
            await executor.afterwards(channel, then)
        if isinstance(response, Failed) or not isinstance(verdict, Accepted) or then in (Then.LEAVE, Then.WIPE):
            return verdict
        if not response.body:
            channel.held = None
            return verdict
        command = _read_command(response.body)
        if isinstance(command, Failed):
            executor.complain(command.why)
            return command
        if command.uuid in refused:
            executor.complain(f"{command.request_type} comes again in the session in which it got NotNow")
            return Failed("the service repeats a command that got NotNow")
        reply = await executor.execute(channel, command)
        status, then = reply.status, reply.then
        if status == NOT_NOW:
            refused.add(command.uuid)
        try:
            message = channel.message(CommandUUID=command.uuid, Status=status, **reply.keys)
        except PlistError:  # of a name in the command that XML cannot repeat
            status = "CommandFormatError"
            message = channel.message(CommandUUID=command.uuid, Status=status)
        if voice.behaviour.broken_results is not None:
            message = spoil(message, voice.behaviour.broken_results)


async def _deliver(voice: Voice, enrollment: Enrollment, message: bytes, attempts: int) -> Response | Failed:
    """The answer that settles it; after so many attempts that did not, the last one."""
    outcome: Response | Failed = Failed("it was not tried")
    for attempt in range(max(1, attempts)):
        if attempt:
            await asyncio.sleep(voice.behaviour.patience.pause(attempt - 1))
        try:
            outcome = await voice.report(enrollment, message)
        except Unreachable as error:
            outcome = Failed(str(error))
            continue
        if not isinstance(judge(outcome, voice.facts), Failed):
            break
    return outcome


def _read_command(body: bytes) -> CommandReceived | Failed:
    try:
        message = parse_dict(body)
    except PlistError as error:
        return Failed(f"an answer that is no command: {error}")
    match message:
        case {"CommandUUID": str(uuid), "Command": {"RequestType": str(name), **keys}} if uuid and uuid.isprintable():
            return CommandReceived(uuid, name, keys)
        case _:
            return Failed("an answer that is no command: it needs CommandUUID and Command with a RequestType")


def spoil(message: bytes, how: Broken) -> bytes:
    """A result with a name in it that XML does not allow, as real devices send it."""
    match how:
        case Broken.NUL:
            name = b"App\0lication"
        case Broken.CONTROL_REFERENCE:
            name = b"App&#0;lication"
        case Broken.BAD_UTF8:
            name = b"App\xc3\x28lication\xff"
    head, end, tail = message.rpartition(b"</dict>")
    return head + b"\t<key>Note</key>\n\t<string>" + name + b"</string>\n" + end + tail
