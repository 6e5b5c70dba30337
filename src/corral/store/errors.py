"""How a store fails."""


class StoreUnavailable(Exception):
    """The database cannot be reached or cannot commit now. Nothing was written; devices get 503."""


class AttemptLost(Exception):
    """A request that somebody else has repeated meanwhile, and does in its place. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("A repeat of this request is done in its place; ask again for its answer.")


class StoreRefused(Exception):
    """The database cannot be used as it is (newer than this program, another sealing key); one line says why."""
