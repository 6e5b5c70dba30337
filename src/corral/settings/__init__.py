"""What an operator sets: from flags, the environment (`CORRAL_*`), one file (`DATA/corral.toml`) and defaults,
the first of these that names a setting counts.
"""

from corral.settings.file import FILE, SettingsError
from corral.settings.settings import Settings, read_settings
from corral.settings.values import parse_duration

__all__ = ["FILE", "Settings", "SettingsError", "parse_duration", "read_settings"]
