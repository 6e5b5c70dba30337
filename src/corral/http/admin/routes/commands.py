"""Commands, and what Apple's schema says of them."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import commands, request_types
from corral.service.access.permission import Permission as May

ENDPOINTS = (
    Endpoint(
        "DELETE",
        "/devices/{device}/commands",
        May.COMMANDS_CANCEL,
        commands.clear_commands,
        "Cancel all its open commands",
    ),
    Endpoint(
        "GET",
        "/commands",
        May.COMMANDS_READ,
        commands.list_commands,
        "Commands and what became of them",
        refuses=(404,),
    ),
    Endpoint(
        "POST",
        "/commands",
        May.COMMANDS_SEND,
        commands.send_command,
        "Queue a command for devices",
        max_body=commands.MAX_BODY,
    ),
    Endpoint(
        "GET",
        "/commands/{command}",
        May.COMMANDS_READ,
        commands.show_command,
        "A command with its deliveries and results",
    ),
    Endpoint(
        "DELETE",
        "/commands/{command}",
        May.COMMANDS_CANCEL,
        commands.cancel_command,
        "Cancel what is open of a command",
    ),
    Endpoint(
        "GET",
        "/commands/{command}/result",
        May.COMMANDS_RAW,
        commands.show_result,
        "The answer of one device, as it came",
        watched=True,
        refuses=(409,),
    ),
    Endpoint(
        "POST",
        "/commands/{command}/reveal",
        May.COMMANDS_REVEAL,
        commands.reveal_command,
        "What was sent and answered, secrets and all",
    ),
    Endpoint(
        "GET",
        "/request-types",
        May.STATUS_READ,
        request_types.list_request_types,
        "The commands that Apple's schema has",
        refuses=(404,),
    ),
    Endpoint(
        "GET",
        "/request-types/{request_type}",
        May.STATUS_READ,
        request_types.show_request_type,
        "One command, with its keys",
    ),
)
