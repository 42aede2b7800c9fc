"""Every setting, from the shipped defaults, a file, the environment and options, in rising precedence."""

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

PREFIX = "TIELINE_"
SYSTEM_DATA_DIR = Path("/var/lib/tieline")


class SettingsError(Exception):
    """A setting that cannot be used; the text says which and why."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What settings.toml explains, value by value."""

    host: str
    port: int
    workers: int
    database_url: str
    data_dir: str
    body_bytes_max: int
    page_rows_max: int
    batch_rows_max: int
    filter_depth_max: int
    lookup_connections: int
    statement_connections: int
    batch_connections: int
    lookup_timeout_ms: int
    statement_timeout_ms: int
    connection_wait_ms: int
    connection_waiters_max: int
    prepared_statements_max: int
    key_cache_ms: int
    key_usage_interval_ms: int
    rate_limit_per_minute: int
    failed_logins_per_minute: int
    access_token_seconds: int
    refresh_token_seconds: int
    signing_keys_ms: int
    url_bytes_max: int
    header_bytes_max: int
    head_timeout_ms: int
    body_timeout_ms: int
    answer_timeout_ms: int
    connections_max: int
    requests_in_flight_max: int
    transfers_max: int
    import_bytes_max: int
    cors_origins: str
    gzip_bytes_min: int
    shutdown_grace_ms: int
    log_format: Literal["json", "console"]

    @property
    def data_path(self) -> Path:
        """The data folder, absolute."""
        return Path(self.data_dir).expanduser().absolute() if self.data_dir else default_data_path()


def default_data_path() -> Path:
    """Root's is below /var/lib: a home that only root may enter could not hold the database of another user."""
    if os.geteuid() == 0:
        return SYSTEM_DATA_DIR
    return platformdirs.user_data_path("tieline", appauthor=False)


def load(options: Mapping[str, str | int | None], environment: Mapping[str, str]) -> Settings:
    """Put the settings together; options that are None were not given.

    Raises:
        SettingsError: a name or a value is not one of settings.toml's, or the file cannot be read.
    """
    given = {name: value for name, value in options.items() if value is not None}
    named = str(given.pop("settings", None) or environment.get(PREFIX + "SETTINGS", ""))
    from_environment = {
        name: environment[PREFIX + name.upper()]
        for name in Settings.__struct_fields__
        if environment.get(PREFIX + name.upper())
    }
    shipped = _read(resources.files("tieline").joinpath("settings.toml").read_text(), "settings.toml")
    data_dir = str(given.get("data_dir") or from_environment.get("data_dir", ""))
    return _convert({**shipped, **_from_file(named, data_dir), **from_environment, **given})


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as variables that `load` reads back."""
    return {PREFIX + name.upper(): str(value) for name, value in msgspec.structs.asdict(settings).items()}


def _from_file(named: str, data_dir: str) -> dict[str, object]:
    if named:
        path = Path(named)
        if not path.is_file():
            raise SettingsError(f"The settings file {path} is not there.")
    else:
        path = (Path(data_dir).expanduser() if data_dir else default_data_path()) / "settings.toml"
        if not path.is_file():
            return {}
    try:
        return _read(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.") from error


def _read(text: str, name: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {name} is not TOML: {error}.") from error


def _convert(values: Mapping[str, object]) -> Settings:
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"A setting cannot be used: {error}.") from error
    for name, value in msgspec.structs.asdict(settings).items():
        if isinstance(value, int) and value < (0 if name == "port" else 1):
            raise SettingsError(f"The setting {name} is {value}; it must be at least 1.")
    return settings
