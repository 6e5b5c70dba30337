"""How a store fails."""


class StoreUnavailable(Exception):
    """The database cannot be reached or cannot commit now. Nothing was written; devices get 503."""


class AttemptLost(Exception):
    """A request that somebody else has repeated meanwhile, and does in its place. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("A repeat of this request is done in its place; ask again for its answer.")


class EditedSince(Exception):
    """What a change rests on was edited since it was looked at. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("Somebody else has edited this meanwhile; look at it again.")


class TakesTooLong(Exception):
    """What was asked would take the database too long, or others before it have: it was given up."""

    def __init__(self) -> None:
        super().__init__(
            "The question takes too long to answer; narrow it, or ask again when others have their answers."
        )


class StoreRefused(Exception):
    """The database cannot be used as it is (newer than this program, another sealing key); one line says why."""
