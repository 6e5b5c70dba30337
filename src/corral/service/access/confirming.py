"""A second confirmation for what is done to many devices at once."""

from corral.service.errors import NotConfirmed


class Confirming:
    """`above`: so many devices may be named by one dangerous request without saying their number."""

    def __init__(self, above: int) -> None:
        self._above = above

    def check(self, what: str, devices: int, confirmed: int | None) -> None:
        """Raises NotConfirmed unless there are few, or `confirmed` is their number.

        The number is counted by whoever asks: a script that has caught more than was meant does not know it.
        """
        if devices > self._above and confirmed != devices:
            said = "" if confirmed is None else f", not {confirmed}"
            raise NotConfirmed(
                f"{what} would concern {devices} devices{said}: more than {self._above} at once need a confirmation; "
                f'ask again with "confirm": {devices}, if that is what is meant.'
            )
