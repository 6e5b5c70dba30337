"""What goes wrong with a call."""


class OutgoingError(Exception):
    """A call was refused or had no answer; one line says which host, and why."""


class LineClosed(Exception):
    """The other side closed a connection that was kept, before it said anything: another one may do."""
