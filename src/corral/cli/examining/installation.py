"""The installation on this machine: folder, sealing key, disk, clock."""

import os
import shutil
import stat
import time
from pathlib import Path

from cryptography import x509

from corral.cli.examining.finding import Finding, fail, ok, warn
from corral.lifecycle.policy import Attestation
from corral.settings import Settings

GIB = 1024**3
EARLIEST = 1_760_000_000
"""A clock before this time (October 2025), when this program was written, cannot be right."""


def examine(settings: Settings, low_disk: int) -> list[Finding]:
    """`low_disk`: GiB below which the disk is too full."""
    found = [_permissions("data folder", settings.data, settings.data.is_dir())]
    if settings.sealing_key is None:
        found.append(_sealing_key(settings.sealing_key_file))
    else:
        found.append(ok("sealing key", "comes from the environment"))
    return [*found, _attestation(settings), _disk(settings.data, low_disk), _clock(settings.data)]


def _permissions(subject: str, path: Path, exists: bool) -> Finding:
    if not exists:
        return fail(subject, f"{path} is not there", "Name the right one with --data, or make it with `corral init`.")
    try:
        found = path.stat()
    except OSError as error:
        return fail(subject, f"{path} cannot be read: {error.strerror}", "Run as the user that the service runs as.")
    loose = stat.S_IMODE(found.st_mode) & 0o077
    if loose:
        mode = "700" if path.is_dir() else "600"
        return fail(subject, f"{path} is open to other users", f"Close it: chmod {mode} {path}")
    if found.st_uid != os.geteuid():
        return warn(subject, f"{path} belongs to another user (uid {found.st_uid})", "Run as the service's user.")
    return ok(subject, f"{path} is its owner's alone")


def _sealing_key(path: Path) -> Finding:
    if not path.exists():
        return fail("sealing key", f"{path} is missing", "Put it back from where you keep it; no backup contains it.")
    found = _permissions("sealing key", path, True)
    if found.remedy:
        return found
    return ok("sealing key", f"{path} is its owner's alone; keep a copy apart from the backups of the database")


def _attestation(settings: Settings) -> Finding:
    """Whose word is believed for a device and its key."""
    path, subject = settings.attestation_roots, "attestation"
    if settings.attestation is Attestation.OFF:
        return ok(subject, "devices are not asked for any (attestation = off)")
    if path is None:
        return ok(subject, f"{settings.attestation}; Apple's enterprise attestation root, which comes with the program")
    try:
        roots = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        return fail(subject, f"attestation_roots, {path}, cannot be read: {error}", "Give a PEM file of certificates.")
    names = ", ".join(each.subject.rfc4514_string() for each in roots)
    return warn(
        subject, f"{settings.attestation}; believes {names}", "Without attestation_roots Apple alone is believed."
    )


def _disk(data: Path, low_disk: int) -> Finding:
    try:
        free = shutil.disk_usage(data).free / GIB
    except OSError as error:
        return fail("disk", f"cannot be asked: {error.strerror}", "See that the data folder is there.")
    if free < 0.2:
        return fail("disk", f"{free:.2f} GiB free: the database will not be able to write", "Make room.")
    if free < low_disk:
        return warn("disk", f"{free:.1f} GiB free", "Make room before it is full.")
    return ok("disk", f"{free:,.0f} GiB free")


def _clock(data: Path) -> Finding:
    """The database was written in the past; where it was not, the clock has gone back."""
    now = time.time()
    written = max((each.stat().st_mtime for each in data.glob("corral.db*")), default=0)
    remedy = "Set the clock, and keep it right with NTP: signatures and certificates depend on it."
    if now < EARLIEST:
        return fail("clock", f"shows {time.strftime('%Y-%m-%d', time.gmtime(now))}", remedy)
    if written > now + 60:
        return fail("clock", f"is {written - now:,.0f} seconds behind the database's last write", remedy)
    return ok("clock", f"shows {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC")
