"""Every address of the admin API, under `/api/v1`. What is not here does not exist, and each names who may."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.routes import (
    access,
    ade,
    commands,
    devices,
    enrollment,
    events,
    installation,
    inventory,
    software,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *installation.ENDPOINTS,
    *events.ENDPOINTS,
    *enrollment.ENDPOINTS,
    *devices.ENDPOINTS,
    *inventory.ENDPOINTS,
    *commands.ENDPOINTS,
    *software.ENDPOINTS,
    *access.ENDPOINTS,
    *ade.ENDPOINTS,
)
