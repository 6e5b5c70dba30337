"""What a verb of the service may refuse with, beside lifecycle.operating.OperationRefused."""


class NotFound(Exception):
    """There is no such device, link, command or token; the message names it."""


class RequestRefused(ValueError):
    """The request cannot be carried out as it is; one line says what to change."""


class OverCapacity(Exception):
    """More strangers ask for private-key operations than are served at once: 503."""
