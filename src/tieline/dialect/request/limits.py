"""The settings that bound a request's query string and its body."""

import msgspec


class BodyLimits(msgspec.Struct, frozen=True):
    """The settings that bound a body. `bytes_max`: what a CSV or a form may become as JSON."""

    bytes_max: int = 16_000_000
    rows_max: int = 50_000
    row_bytes_max: int = 1_000_000
    names_max: int = 100
    depth_max: int = 1_000


class Limits(msgspec.Struct, frozen=True, cache_hash=True):
    """The settings that bound a query, by their names there; `depth_max` is filter_depth_max."""

    depth_max: int
    page_rows_max: int
    batch_rows_max: int = 10_000
    embeds_max: int = 10
    embed_depth_max: int = 5
    select_items_max: int = 200
    answer_bytes_max: int = 8_000_000
    pattern_states_max: int = 1_000
    shape_bytes_max: int = 8_000
    shapes_bytes_max: int = 2_000_000
    counted_rows_max: int = 1_000_000
    column_times_max: int = 5
    text_bytes_max: int = 8_000
    body: BodyLimits = BodyLimits()
