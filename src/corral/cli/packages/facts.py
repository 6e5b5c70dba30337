"""What a package says of itself."""

from dataclasses import dataclass


class PackageError(ValueError):
    """A file that is no such package; the one line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """`kind` is mac or mobile; what is empty the package does not say. `remark`: what a device may have against it."""

    kind: str
    bundle_id: str = ""
    version: str = ""
    title: str = ""
    minimum_os: str = ""
    remark: str = ""
