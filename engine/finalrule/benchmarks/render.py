"""Derived benchmarks to be read: as text, and as JSON-ready data of the form benchmarks.v1."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from finalrule.benchmarks.compare import Change, Difference
from finalrule.benchmarks.derive import MOST_YEARS, Benchmark, Derived, cells
from finalrule.benchmarks.distribution import Key
from finalrule.catalogue.layout import DECILES
from finalrule.columns import columns
from finalrule.diagnostics import Diagnostic, Label, Pointer
from finalrule.values import decimal_text

FORMAT = "benchmarks.v1"
_MOST_NAMED = 5
PERCENTILES = "nearest rank (unverified: the regulation does not say)"


def as_data(derived: Derived, difference: Difference | None) -> dict[str, Any]:
    """Everything, numbers as decimals in text."""
    results = derived.results
    return {
        "format": FORMAT,
        "policy": derived.program.policy,
        "policy_digest": derived.program.digest,
        "benchmark_year": derived.year,
        "percentiles": PERCENTILES,
        "results": {
            "read": results.read,
            "counted": results.counted,
            "undetermined": [_counted(key, left) for key, left in results.undetermined.items()],
        },
        "benchmarks": [_benchmark_data(one) for one in derived.benchmarks.values()],
        "too_few": [_counted(key, number) for key, number in derived.too_few.items()],
        "difference": None if difference is None else _difference_data(difference),
    }


def _benchmark_data(one: Benchmark) -> dict[str, Any]:
    shown = cells(one)
    return {
        "measure_id": one.measure_id,
        "collection_type": one.collection_type,
        "metric_type": one.metric_type,
        "inverse": one.inverse,
        "reporters": one.reporters,
        "median": decimal_text(one.median),
        "flat": one.flat,
        "topped_out": one.topped_out,
        "topped_out_years": one.years,
        "topped_out_cap": one.topped_out_cap,
        "bounds": {column: shown[column] for column in DECILES if column in shown},
    }


def _counted(key: Key, number: int) -> dict[str, Any]:
    return {**_key_data(key), "reporters": number}


def _difference_data(difference: Difference) -> dict[str, Any]:
    return {
        "with": difference.path,
        "benchmarks": difference.records,
        "new": [_key_data(key) for key in difference.new],
        "gone": [_key_data(key) for key in difference.gone],
        "changed": [
            {**_key_data(key), "changes": [_change_data(one) for one in changes]}
            for key, changes in difference.changed.items()
        ],
    }


def _key_data(key: Key) -> dict[str, str]:
    return {"measure_id": key[0], "collection_type": key[1]}


def _change_data(one: Change) -> dict[str, str | None]:
    moved = None if one.moved is None else decimal_text(one.moved)
    return {"column": one.column, "was": one.was, "now": one.now, "moved": moved}


def undetermined(derived: Derived, tables: Path) -> Diagnostic | None:
    """A warning where results are left out because facts are missing; the measures and collection
    types that have most of them are named."""
    left = derived.results.undetermined
    if not left:
        return None
    most = sorted(left, key=lambda key: (-left[key], key))
    number = sum(left.values())
    labels = [
        Label(Pointer(str(tables / "measure_results"), ""), f"{left[key]:,} of {_name(key)}")
        for key in most[:_MOST_NAMED]
    ]
    return Diagnostic(
        "benchmarks-undetermined",
        f"whether {number:,} result{'' if number == 1 else 's'} count{'s' if number == 1 else ''}"
        " is undetermined: left out",
        tuple(labels),
        "give what is not known: the practice size of claims measures, nine months' rates",
        "warning",
    )


# --- text ----------------------------------------------------------------------------------------


def text(derived: Derived, difference: Difference | None) -> str:
    """The summary, and what differs from another set."""
    rows = _summary(derived)
    lines = [f"{derived.program.policy}: benchmarks from the results of {derived.year}"]
    lines += itertools.chain.from_iterable(columns(rows, indent=2))
    if difference is not None:
        lines += ["", *_difference(difference)]
    return "\n".join(lines)


def _summary(derived: Derived) -> list[tuple[str, str]]:
    results, made = derived.results, list(derived.benchmarks.values())
    left = sum(results.undetermined.values())
    undetermined = f", {left:,} undetermined" if left else ""
    topped_out = [one for one in made if one.topped_out]
    capped = sum(one.topped_out_cap for one in topped_out)
    years = ", ".join(
        f"{number:,} for {_years(year)}"
        for year in range(1, MOST_YEARS + 1)
        if (number := sum(one.years == year for one in topped_out))
    )
    return [
        ("results", f"{results.read:,}: {results.counted:,} count{undetermined}"),
        ("benchmarks", f"{len(made):,}"),
        ("too few reporters", f"{len(derived.too_few):,}"),
        ("flat percentages", _named(one for one in made if one.flat)),
        ("topped out", f"{len(topped_out):,}" + (f": {years}; {capped:,} capped" if years else "")),
        ("percentiles", PERCENTILES),
    ]  # fmt: skip


def _years(number: int) -> str:
    return {1: "the first year", MOST_YEARS: f"{number} years or more"}.get(
        number, f"{number} years"
    )


def _name(key: Key) -> str:
    return " ".join(key)


def _named(benchmarks: Iterable[Benchmark]) -> str:
    return _listed([_name((one.measure_id, one.collection_type)) for one in benchmarks])


def _listed(names: Sequence[str]) -> str:
    return f"{len(names):,}: {', '.join(names)}" if names else "0"


def _difference(difference: Difference) -> list[str]:
    lines = [f"Against {difference.path}, {difference.records:,} benchmarks"]
    if not difference:
        return [*lines, "  no difference"]
    rows = [
        ("new", _listed([_name(key) for key in difference.new])),
        ("gone", _listed([_name(key) for key in difference.gone])),
        ("changed", f"{len(difference.changed):,}{_said(difference)}"),
    ]
    lines += itertools.chain.from_iterable(columns(rows, indent=2))
    changed = [
        (_name(key), "; ".join(_change(one) for one in changes))
        for key, changes in difference.changed.items()
    ]
    return [*lines, *itertools.chain.from_iterable(columns(changed, indent=4))]


def _said(difference: Difference) -> str:
    """How much moved, and how many flags turned."""
    moved = [abs(each) for each in difference.moved]
    flags = [
        ("topped_out", True, "topped out now"),
        ("topped_out", False, "topped out no longer"),
        ("topped_out_cap", True, "capped now"),
        ("topped_out_cap", False, "capped no longer"),
    ]
    parts = [
        *([f"{len(moved):,} bounds moved, by {decimal_text(max(moved))} at most"] if moved else []),
        *(
            f"{number:,} {said}"
            for column, now, said in flags
            if (number := difference.turned(column, now))
        ),
    ]
    return f": {'; '.join(parts)}" if parts else ""


def _change(one: Change) -> str:
    if one.moved is None:
        return f"{one.column} {one.was or '(none)'} -> {one.now or '(none)'}"
    sign = "+" if one.moved > 0 else ""
    return f"{one.column} {one.was} -> {one.now} ({sign}{decimal_text(one.moved)})"
