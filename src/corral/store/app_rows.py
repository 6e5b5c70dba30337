"""Rows of apps to values and back."""

from corral.store.apps import AppKind, StoredApp
from corral.store.rows import Row

APP = "id kind bundle_id version title minimum_os manifest_url manifest created_at created_by"

_APP = APP.split()


def app(row: Row) -> StoredApp:
    values = dict(zip(_APP, row, strict=True))
    values["kind"] = AppKind(values["kind"])
    return StoredApp(**values)


def app_row(value: StoredApp) -> Row:
    return tuple(getattr(value, name) for name in _APP)
