"""How a store fails."""


class StoreUnavailable(Exception):
    """The database cannot be reached or cannot commit now. Nothing was written; devices get 503."""


class StoreRefused(Exception):
    """The database cannot be used as it is (newer than this program, another sealing key); one line says why."""
