"""Where settings come from, and that they fit together."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from corral.lifecycle.policy import Policy
from corral.settings.declaration import DEFAULT_DATA, Declared
from corral.settings.file import SettingsError, read_file
from corral.settings.fitting import check_together


class Settings(Declared):
    """All settings, checked, also against each other."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        check_together(self)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        given = dict[str, Any]()
        if isinstance(init_settings, InitSettingsSource):
            given |= cast(dict[str, Any], init_settings.init_kwargs)  # pyright: ignore[reportUnknownMemberType] - a bare dict there
        data = Path(given.get("data") or os.environ.get("CORRAL_DATA") or DEFAULT_DATA)
        return init_settings, env_settings, InitSettingsSource(settings_cls, read_file(data))

    def policy(self) -> Policy:
        """What the life cycle needs of these settings."""
        return Policy(
            on_restore=self.on_restore,
            on_takeover=self.on_takeover,
            on_lost_binding=self.on_lost_binding,
            on_expired_identity=self.on_expired_identity,
            admission=self.admission,
            attestation=self.attestation,
            user_authentication=self.user_authentication,
            manage_users=self.manage_users,
            collect_inventory=self.collect_inventory,
            ending_deadline=self.ending_deadline,
            breaker_limit=self.breaker_limit,
            breaker_window=self.breaker_window,
            setup_time=self.setup_time,
            configured_retry=self.configured_retry,
            installation_time=self.installation_time,
            renewal_time=self.renewal_time,
            not_now_push=self.not_now_push,
            keys_per_grant=self.keys_per_grant,
        )


def read_settings(flags: Mapping[str, object] | None = None) -> Settings:
    """The settings of an installation; `flags` are those given on the command line. Raises SettingsError."""
    values: dict[str, Any] = {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error.errors(include_url=False, include_input=False)[0])) from None


def _explain(error: ErrorDetails) -> str:
    """One line for what pydantic found first."""
    what = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return f"Settings do not fit together: {what}."
    name = str(error["loc"][0])
    match error["type"]:
        case "missing":
            return f"Setting {name} (CORRAL_{name.upper()}) is missing: {Settings.model_fields[name].description}."
        case "extra_forbidden":
            return f"There is no setting {name}; see `corral serve --help` and docs/settings.md."
        case "value_error":
            return f"Setting {name} (CORRAL_{name.upper()}) must be {what}."
        case _:
            what = re.sub(r"^(Input|String|Tuple|Dictionary) should ", "", what)
            return f"Setting {name} (CORRAL_{name.upper()}) must {what}."
