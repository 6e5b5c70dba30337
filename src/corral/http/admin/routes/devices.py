"""Devices: one, many at once, and the secrets that they give into keeping."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import device_verbs, devices, escrow, many_devices
from corral.service.access.permission import Permission as May

ENDPOINTS = (
    Endpoint("GET", "/devices", May.DEVICES_READ, devices.list_devices, "Devices"),
    # Before the addresses of one device, whose name these are not.
    Endpoint("POST", "/devices/end", May.DEVICES_END_MANY, many_devices.end_devices, "End the connections of many"),
    Endpoint("POST", "/devices/block", May.DEVICES_END_MANY, many_devices.block_devices, "Block many"),
    Endpoint("POST", "/devices/renew", May.DEVICES_RENEW, many_devices.renew_devices, "Renew the identities of many"),
    Endpoint("POST", "/devices/wake", May.COMMANDS_SEND, many_devices.wake_devices, "Push to many"),
    Endpoint(
        "GET",
        "/devices/{device}",
        May.DEVICES_READ,
        devices.show_device,
        "A device with its lives, channels and certificates",
    ),
    Endpoint(
        "DELETE",
        "/devices/{device}",
        May.DEVICES_FORGET,
        device_verbs.forget_device,
        "Forget a device that is not connected",
        204,
    ),
    Endpoint(
        "GET", "/devices/{device}/timeline", May.DEVICES_READ, devices.show_timeline, "What happened with a device"
    ),
    Endpoint("POST", "/devices/{device}/end", May.DEVICES_END, device_verbs.end_device, "End its connection"),
    Endpoint(
        "POST",
        "/devices/{device}/block",
        May.DEVICES_BLOCK,
        device_verbs.block_device,
        "Block it: it is told to leave and cannot enroll",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/unblock",
        May.DEVICES_BLOCK,
        device_verbs.unblock_device,
        "Let it enroll again",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/renew",
        May.DEVICES_RENEW,
        device_verbs.renew_device,
        "Renew its identity certificate",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/takeover",
        May.DEVICES_END,
        device_verbs.decide_takeover,
        "Let a newcomer take its place that claims to be it, or turn it away",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/return-to-service",
        May.DEVICES_ERASE,
        device_verbs.return_to_service,
        "Erase it, and have it come back",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/revoke-certificate",
        May.DEVICES_REVOKE,
        device_verbs.revoke_certificate,
        "Believe its identity certificates no longer",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/wake",
        May.COMMANDS_SEND,
        device_verbs.wake_device,
        "Push to it, so that it asks for its commands",
    ),
    Endpoint(
        "GET",
        "/devices/{device}/escrow",
        May.ESCROW_READ,
        escrow.list_escrow,
        "The secrets that it has given into keeping",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/escrow/show",
        May.ESCROW_SHOW,
        escrow.show_escrow,
        "One of those secrets, for a reason",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/filevault/rotate",
        May.ESCROW_ROTATE,
        escrow.rotate_filevault_key,
        "Have a Mac make a new recovery key, and give it into keeping",
    ),
    Endpoint(
        "GET",
        "/filevault/profile",
        May.ESCROW_READ,
        escrow.make_filevault_profile,
        "The profile by which Macs give their recovery key",
    ),
)
