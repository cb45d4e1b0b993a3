"""Chance that is arithmetic: what is drawn for a record depends on the seed, the record's number
and the purpose alone, not on threads, order, platform or the version of a library.

A record has a 32-bit state: `mix(state of what it belongs to XOR its number)`. A draw is
`mix(state XOR CRC-32 of the purpose)`. `mix` is the last step of MurmurHash3 (32 bits), a
bijection: two records of one parent never have the same state. Everything is whole numbers; what
is drawn is given in parts per million.
"""

from __future__ import annotations

from zlib import crc32

import duckdb

MILLION = 1_000_000
_MASK = 0xFFFF_FFFF
_FIRST, _SECOND = 0x85EB_CA6B, 0xC2B2_AE35


def mix(state: int) -> int:
    """The state of 32 bits, mixed."""
    state ^= state >> 16
    state = state * _FIRST & _MASK
    state ^= state >> 13
    state = state * _SECOND & _MASK
    return state ^ state >> 16


def below_million(state: int, purpose: str) -> int:
    """A draw from 0 to 999,999."""
    return mix(state ^ crc32(purpose.encode())) * MILLION >> 32


def state_sql(parent: str, number: str) -> str:
    """SQL of a record's state; `parent` and `number` are SQL of 32-bit numbers."""
    return f"mix32(xor(({parent})::UBIGINT, ({number})::UBIGINT))"


def draw(state: str, purpose: str) -> str:
    """SQL of a draw from 0 to 999,999, as BIGINT; `state` is SQL."""
    return f"((mix32(xor({state}, {crc32(purpose.encode())}::UBIGINT)) * {MILLION}) >> 32)::BIGINT"


def between(state: str, purpose: str, low: str | int, high: str | int) -> str:
    """SQL of a draw of a whole number from `low` to `high`, each as likely."""
    return f"(({low}) + {draw(state, purpose)} * (({high}) - ({low}) + 1) // {MILLION})"


def happens(state: str, purpose: str, share: str | int) -> str:
    """SQL of whether something happens that happens to `share` parts of a million."""
    return f"({draw(state, purpose)} < ({share}))"


def tent(state: str, purpose: str, width: str | int) -> str:
    """SQL of a draw from -width to width parts of a million, most often near zero."""
    two = f"{draw(state, purpose + ' 1')} + {draw(state, purpose + ' 2')}"
    return f"((({two}) - {MILLION}) * ({width}) // {MILLION})"


def skewed(state: str, purpose: str, mean: str | int) -> str:
    """SQL of a draw from 0 to four times `mean` and with that mean: mostly small, seldom large."""
    product = f"{draw(state, purpose + ' 1')} * {draw(state, purpose + ' 2')}"
    return f"(4 * ({mean}) * ({product} // {MILLION}) // {MILLION})"


def decimal(whole: str, places: int) -> str:
    """SQL of a whole number as an exact decimal with so many of its digits after the point."""
    unit = f"0.{'0' * (places - 1)}1"
    return f"(({whole})::DECIMAL(18, 0) * {unit})::DECIMAL(18, {places})"


def define(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the macros that the SQL of this module calls."""
    connection.execute("CREATE OR REPLACE TEMP MACRO fold32(x, places) AS xor(x, x >> places)")
    connection.execute(
        f"""CREATE OR REPLACE TEMP MACRO mix32(x) AS
        fold32((fold32((fold32(x, 16) * {_FIRST}) & {_MASK}, 13) * {_SECOND}) & {_MASK}, 16)"""
    )
