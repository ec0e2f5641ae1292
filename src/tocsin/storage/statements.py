"""The SQL of samples and summaries: how they lie in tables, how in Parquet, and one as the other.

In Parquet a sample's value is ``scaled / 10^decimals``: whole numbers, of which Parquet keeps the
differences, take half the room of floating-point numbers. ``decimals`` is the same for all samples of a
series in a block. A value that is no such number, because it has more than six decimals or is not finite, is
in ``value``. Both are NULL for a staleness marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.model import SUMMARY_FIELDS

_MAX_DECIMALS: Final = 6
_EXACT: Final = "9007199254740992"
"""Up to 2^53 all whole numbers are floating-point numbers."""

SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS series (id UINTEGER NOT NULL, labels MAP(VARCHAR, VARCHAR) NOT NULL)",
    # A value that is NULL is a staleness marker: the series has ended. NaN is NaN.
    """CREATE TABLE IF NOT EXISTS samples
       (series_id UINTEGER NOT NULL, timestamp_ms BIGINT NOT NULL, value DOUBLE)""",
    """CREATE TABLE IF NOT EXISTS metadata
       (metric VARCHAR PRIMARY KEY, type VARCHAR, help VARCHAR, unit VARCHAR)""",
    f"""CREATE TABLE IF NOT EXISTS summaries
        (resolution_ms BIGINT NOT NULL, series_id UINTEGER NOT NULL, end_ms BIGINT NOT NULL,
         {", ".join(f'"{field}" DOUBLE' for field in SUMMARY_FIELDS)})""",
    # From when on a tier is complete, and until when summaries have been made.
    """CREATE TABLE IF NOT EXISTS tiers
       (resolution_ms BIGINT PRIMARY KEY, start_ms BIGINT NOT NULL, sealed_ms BIGINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS blocks
       (name VARCHAR NOT NULL, resolution_ms BIGINT NOT NULL, start_ms BIGINT NOT NULL,
        end_ms BIGINT NOT NULL, row_count BIGINT NOT NULL, byte_count BIGINT NOT NULL,
        file_count INTEGER NOT NULL)""",
    # Units of time that were summarised before some of their samples arrived.
    "CREATE TABLE IF NOT EXISTS late (end_ms BIGINT NOT NULL)",
)

_DECODED: Final = "coalesce(value, scaled / power(10, decimals))"

_PLACES: Final = f"""CASE
    WHEN NOT isfinite(value) OR abs(value) > {_EXACT} OR (value = 0 AND signbit(value)) THEN NULL
    {" ".join(f"WHEN round(value * 1e{n}) / 1e{n} = value THEN {n}" for n in range(_MAX_DECIMALS + 1))}
END"""

_FIELDS: Final = ", ".join(f'"{field}"' for field in SUMMARY_FIELDS)


def samples_of(files: Sequence[str], reader: str) -> str:
    """All samples in the table and in Parquet files, with ``place`` and ``row`` that order equal times."""
    table = "SELECT series_id, timestamp_ms, value, 1 AS place, rowid AS row FROM samples"
    if not files:
        return table
    return f"""SELECT series_id, epoch_ms(timestamp) AS timestamp_ms, {_DECODED} AS value, 0 AS place,
               0 AS row FROM {reader} UNION ALL {table}"""  # noqa: S608 - constants


def summaries_of(files: Sequence[str], reader: str, fields: Sequence[str] = SUMMARY_FIELDS) -> str:
    """All summaries of ``$resolution_ms`` in the table and in Parquet files, with ``place``."""
    names = ", ".join(f'"{field}"' for field in fields)
    table = f"""SELECT series_id, end_ms, {names}, 1 AS place
                FROM summaries WHERE resolution_ms = $resolution_ms"""  # noqa: S608 - constants
    if not files:
        return table
    return f"""SELECT series_id, epoch_ms("end") AS end_ms, {names}, 0 AS place
               FROM {reader} UNION ALL {table}"""  # noqa: S608 - constants


def block_of_samples(rows: str) -> str:
    """Samples of some series with ``$start_ms < t <= $end_ms`` as a block holds them.

    Of equal times the last counts.
    """
    return f"""
    WITH latest AS (
        SELECT series_id, timestamp_ms, value FROM ({rows})
        WHERE timestamp_ms > $start_ms AND timestamp_ms <= $end_ms
            AND series_id BETWEEN $first_id AND $last_id
        QUALIFY lead(timestamp_ms) OVER (PARTITION BY series_id ORDER BY timestamp_ms, place, row)
            IS DISTINCT FROM timestamp_ms
    ), marked AS MATERIALIZED (
        SELECT series_id, timestamp_ms, value, ({_PLACES})::TINYINT AS places FROM latest
    ), scales AS (
        SELECT series_id, max(places) AS decimals, power(10, max(places)) AS factor
        FROM marked GROUP BY series_id
    ), numbers AS (
        SELECT series_id, timestamp_ms, value, decimals,
            CASE WHEN places IS NOT NULL AND abs(value * factor) <= {_EXACT}
                AND round(value * factor) / factor = value THEN round(value * factor)::BIGINT END AS scaled
        FROM marked JOIN scales USING (series_id)
    )
    SELECT series_id, make_timestamp_ms(timestamp_ms)::TIMESTAMP_MS AS timestamp, scaled, decimals,
        CASE WHEN scaled IS NULL THEN value END AS value
    FROM numbers ORDER BY series_id, timestamp_ms"""  # noqa: S608 - constants


def block_of_summaries(rows: str) -> str:
    """Summaries of some series with ``$start_ms < end <= $end_ms`` as a block holds them.

    Those in the table count for more than those in blocks.
    """
    return f"""
    SELECT series_id, make_timestamp_ms(end_ms)::TIMESTAMP_MS AS "end", {_FIELDS} FROM ({rows})
    WHERE end_ms > $start_ms AND end_ms <= $end_ms AND series_id BETWEEN $first_id AND $last_id
    QUALIFY lead(end_ms) OVER (PARTITION BY series_id ORDER BY end_ms, place) IS DISTINCT FROM end_ms
    ORDER BY series_id, end_ms"""  # noqa: S608 - constants


def exported_samples(rows: str) -> str:
    """Samples of the series in ``wanted`` with their labels, without staleness markers."""
    return f"""
    WITH latest AS (
        SELECT series_id, timestamp_ms, value FROM ({rows}) JOIN wanted USING (series_id)
        WHERE timestamp_ms > $start_ms AND timestamp_ms <= $end_ms
        QUALIFY lead(timestamp_ms) OVER (PARTITION BY series_id ORDER BY timestamp_ms, place, row)
            IS DISTINCT FROM timestamp_ms
    )
    SELECT labels['__name__'] AS metric, labels, make_timestamp_ms(timestamp_ms) AS timestamp, value
    FROM latest JOIN series ON series.id = series_id WHERE value IS NOT NULL
    ORDER BY series_id, timestamp_ms"""  # noqa: S608 - constants


def exported_summaries(rows: str) -> str:
    """Summaries of the series in ``wanted`` with their labels; their times as times."""
    fields = ", ".join(
        f'make_timestamp_ms("{field}_ms"::BIGINT) AS "{field}_timestamp"' for field in ("first", "last")
    )
    return f"""
    WITH latest AS (
        SELECT * FROM ({rows}) JOIN wanted USING (series_id) WHERE end_ms > $start_ms AND end_ms <= $end_ms
        QUALIFY lead(end_ms) OVER (PARTITION BY series_id ORDER BY end_ms, place) IS DISTINCT FROM end_ms
    )
    SELECT labels['__name__'] AS metric, labels, make_timestamp_ms(end_ms) AS timestamp,
        latest.* EXCLUDE (series_id, end_ms, place, first_ms, last_ms, ended), {fields}, ended > 0 AS ended
    FROM latest JOIN series ON series.id = series_id ORDER BY series_id, end_ms"""  # noqa: S608 - constants


SERIES_OF_BLOCK: Final = """
    SELECT id AS series_id, labels['__name__'] AS metric, labels FROM series
    WHERE id IN (SELECT DISTINCT series_id FROM {reader}) ORDER BY id
"""
"""The labels of the series in a Parquet file."""
