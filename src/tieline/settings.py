"""Every setting, from the shipped defaults, a file, the environment and options, in rising precedence."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
import platformdirs

from tieline.wire import misfit
from tieline.wire.nearest import did_you_mean
from tieline.wire.networks import Network, networks

PREFIX = "TIELINE_"
ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
# The source of values that nobody gave.
DEFAULT = "default"
# Settings whose values are not repeated in messages.
SECRETS = ("database_url",)
# Variables that begin like settings and are none.
NO_SETTINGS = ("TIELINE_WORKER_DSN", "TIELINE_TEST_DATABASE_URL")
# The least and the most value of a number, where that is not at least 1.
RANGES: Mapping[str, tuple[int, int | None]] = {"port": (1, 65_535), "company_share_percent": (1, 100)}
SYSTEM_DATA_DIR = Path("/var/lib/tieline")


class SettingsError(Exception):
    """A setting cannot be used; the text names its source, the setting and the reason."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings; settings.toml explains each of them and has its default."""

    host: str
    port: int
    workers: int
    database_url: str
    data_dir: str
    system_user: str
    make_system_user: Literal["yes", "no"]
    body_bytes_max: int
    open_body_bytes_max: int
    open_body_timeout_ms: int
    element_body_bytes_max: int
    bodies_bytes_max: int
    body_bytes_per_second_min: int
    body_stretch_ms: int
    body_rows_max: int
    body_row_bytes_max: int
    body_names_max: int
    json_depth_max: int
    loop_bytes_max: int
    page_rows_max: int
    counted_rows_max: int
    column_times_max: int
    batch_rows_max: int
    filter_depth_max: int
    embeds_max: int
    embed_depth_max: int
    select_items_max: int
    answer_bytes_max: int
    pattern_states_max: int
    candidates_max: int
    metadata_bytes_max: int
    metadata_shown_bytes_max: int
    number_digits_max: int
    text_bytes_max: int
    work_mem_kb: int
    temp_file_kb_max: int
    backend_bytes_max: int
    shape_bytes_max: int
    shapes_bytes_max: int
    lookup_connections: int
    lookups_per_connection_max: int
    auth_connections: int
    statement_connections: int
    batch_connections: int
    company_share_percent: int
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
    refresh_families_max: int
    signing_keys_ms: int
    url_bytes_max: int
    header_bytes_max: int
    head_timeout_ms: int
    body_timeout_ms: int
    answer_timeout_ms: int
    answer_bytes_per_second_min: int
    unread_bytes_max: int
    connections_max: int
    connections_per_address_max: int
    trusted_proxies: str
    heads_bytes_max: int
    headers_max: int
    header_items_max: int
    requests_in_flight_max: int
    transfers_max: int
    transfers_of_all_max: int
    transfer_wait_ms: int
    uploads_max: int
    import_bytes_max: int
    sheet_bytes_max: int
    sheet_unpacked_bytes_max: int
    sheet_memory_bytes_max: int
    sheet_seconds_max: int
    cors_origins: str
    public_url: str
    gzip_bytes_min: int
    shutdown_grace_ms: int
    log_format: Literal["json", "console"]

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of the proxies that are trusted."""
        return networks(self.trusted_proxies)

    @property
    def data_path(self) -> Path:
        """The data folder, absolute."""
        return Path(self.data_dir).expanduser().absolute() if self.data_dir else default_data_path()


def default_data_path() -> Path:
    """The data folder of this user.

    Root's is below /var/lib: the embedded database runs as another user, who may not enter root's home.
    """
    if os.geteuid() == 0:
        return SYSTEM_DATA_DIR
    return platformdirs.user_data_path("tieline", appauthor=False)


@dataclass(frozen=True, slots=True)
class Given:
    """The value of a setting and its source: a file with the line, a variable, or an option."""

    value: object
    source: str


def load(options: Mapping[str, str | int | None], environment: Mapping[str, str]) -> Settings:
    """Put the settings together; options that are None were not given.

    Raises:
        SettingsError: a name or a value is not one of settings.toml's, or the file cannot be read.
    """
    return convert(gathered(options, environment))


def gathered(options: Mapping[str, str | int | None], environment: Mapping[str, str]) -> dict[str, Given]:
    """Every given value with its source, the strongest one of each name; the values are not checked yet.

    Raises:
        SettingsError: a file cannot be read.
    """
    given = {name: Given(value, f"--{name.replace('_', '-')}") for name, value in options.items() if value is not None}
    file = given.pop("settings", None)
    named = str(file.value) if file else environment.get(variable("settings"), "")
    # In an environment file, an empty value means that the variable is not set.
    from_environment = {
        name: Given(environment[variable(name)], variable(name))
        for name in Settings.__struct_fields__
        if environment.get(variable(name))
    }
    data_dir = given.get("data_dir") or from_environment.get("data_dir")
    from_file = _from_file(named, str(data_dir.value if data_dir else ""))
    return {**_shipped(), **from_file, **from_environment, **given}


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def shipped_default(name: str) -> str:
    """The default of a setting, as text."""
    given = _shipped().get(name)
    return "" if given is None else str(given.value)


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as variables that `load` reads back."""
    return {variable(name): str(value) for name, value in msgspec.structs.asdict(settings).items()}


@cache
def _shipped() -> dict[str, Given]:
    text = resources.files("tieline").joinpath("settings.toml").read_text(encoding="utf-8")
    return {name: Given(given.value, DEFAULT) for name, given in _read(text, DEFAULT).items()}


def strangers(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none, such as a mistyped one.

    >>> strangers({"TIELINE_PROT": "80", "TIELINE_PORT": "80", "PATH": "/bin"})
    ['TIELINE_PROT is no setting and has no effect. Did you mean TIELINE_PORT?']
    """
    known = [name.upper() for name in (*Settings.__struct_fields__, "settings")]
    given = [name.removeprefix(PREFIX) for name, value in environment.items() if name.startswith(PREFIX) and value]
    return [
        f"{PREFIX}{name} is no setting and has no effect.{did_you_mean(name, known, PREFIX)}"
        for name in sorted(given)
        if name not in known and PREFIX + name not in NO_SETTINGS
    ]


def _from_file(named: str, data_dir: str) -> dict[str, Given]:
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"There is no settings file {path}.")
    else:
        path = (Path(data_dir).expanduser() if data_dir else default_data_path()) / "settings.toml"
        if not path.is_file():
            return {}
    try:
        return _read(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}, line {line}: the settings file is not UTF-8 text.") from error


def _read(text: str, file: str) -> dict[str, Given]:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {file} is not TOML: {error}.") from error
    return {name: Given(value, file + _line(text, name)) for name, value in values.items()}


def _line(text: str, name: str) -> str:
    r"""The line of a setting in the text of a file.

    >>> _line("host = '::'\nport = 1", "port"), _line("# ours\n['server']\nport = 1", "server")
    (', line 2', ', line 2')
    """
    start = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    number = next((number for number, line in enumerate(text.splitlines(), 1) if start.match(line)), None)
    return "" if number is None else f", line {number}"


def convert(given: Mapping[str, Given]) -> Settings:
    """Check the values that `gathered` gives.

    Raises:
        SettingsError: a name or a value is not one of settings.toml's.
    """
    try:
        settings = msgspec.convert({name: one.value for name, one in given.items()}, Settings, strict=False)
    except msgspec.ValidationError as error:
        wrong = misfit.read(str(error))
        if wrong.kind == "unknown":
            close = did_you_mean(wrong.name, Settings.__struct_fields__)
            raise SettingsError(f"{given[wrong.name].source}: there is no setting {wrong.name}.{close}") from error
        raise SettingsError(_unfit(wrong.path, given[wrong.path])) from error
    for name, value in msgspec.structs.asdict(settings).items():
        if isinstance(value, int):
            _require_range(name, value, given[name].source)
    if settings.public_url and not ADDRESS.fullmatch(settings.public_url):
        wanted = "an absolute http or https address without a query, such as https://tieline.example"
        raise SettingsError(f"{given['public_url'].source}: the setting public_url must be {wanted}.")
    return settings


def _unfit(name: str, given: Given) -> str:
    """The sentence for a value of the wrong type."""
    hint = get_type_hints(Settings)[name]
    wanted = "a whole number" if hint is int else "a text"
    if get_origin(hint) is Literal:
        wanted = " or ".join(get_args(hint))
    value = "" if name in SECRETS else f", not {given.value!r}"
    return f"{given.source}: the setting {name} must be {wanted}{value}."


def _require_range(name: str, value: int, source: str) -> None:
    least, most = RANGES.get(name, (1, None))
    if value >= least and (most is None or value <= most):
        return
    wanted = f"at least {least}" if most is None else f"from {least} to {most}"
    raise SettingsError(f"{source}: the setting {name} is {value}; it must be {wanted}.")
