"""What devices are and have: asked for, looked at, given out."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import collection, inventory
from corral.service.access.permission import Permission as May

ENDPOINTS = (
    Endpoint(
        "GET",
        "/devices/{device}/inventory",
        May.INVENTORY_READ,
        inventory.show_inventory,
        "What a device has said of itself, and when",
    ),
    Endpoint(
        "GET",
        "/devices/{device}/inventory/history",
        May.INVENTORY_READ,
        inventory.show_inventory_history,
        "What has changed of it",
    ),
    Endpoint("GET", "/inventory/devices", May.INVENTORY_READ, inventory.query_inventory, "Devices that fit a question"),
    Endpoint("GET", "/inventory/count", May.INVENTORY_READ, inventory.count_inventory, "How many devices fit one"),
    Endpoint(
        "GET",
        "/inventory/export",
        May.INVENTORY_READ,
        inventory.export_inventory,
        "Devices that fit a question, as CSV or JSON lines",
        watched=True,
    ),
    Endpoint(
        "GET",
        "/inventory/items",
        May.INVENTORY_READ,
        inventory.count_inventory_items,
        "Apps (or profiles, certificates, users) and how many devices have each",
    ),
    Endpoint(
        "GET",
        "/inventory/changes",
        May.INVENTORY_READ,
        inventory.list_inventory_changes,
        "What has changed, of all devices",
    ),
    Endpoint(
        "GET",
        "/inventory/attributes",
        May.INVENTORY_READ,
        inventory.list_inventory_attributes,
        "What can be asked for",
    ),
    Endpoint(
        "POST",
        "/devices/{device}/inventory/refresh",
        May.INVENTORY_REFRESH,
        collection.refresh_device,
        "Ask it now for what it is and has",
    ),
    Endpoint(
        "POST",
        "/inventory/refresh",
        May.INVENTORY_REFRESH,
        collection.refresh_devices,
        "Ask devices now for what they are and have",
    ),
    Endpoint(
        "GET",
        "/inventory/schedule",
        May.INVENTORY_READ,
        collection.show_schedule,
        "Which reports devices are asked for, and how often",
    ),
    Endpoint(
        "PUT",
        "/inventory/schedule",
        May.INVENTORY_SCHEDULE,
        collection.put_schedule,
        "Replace the schedule by which devices are asked",
        edits="/inventory/schedule",
    ),
)
