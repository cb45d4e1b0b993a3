"""Formatting and order are no difference; one changed figure is exactly one."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finalrule.compare.diff import compare, compile_named
from finalrule.core.compile import STAGES, Compilation, Compiled
from finalrule.places import policies_root
from finalrule.policy.model import CellText, Figure, Policy
from finalrule.values import Enumeration, Number, Type, YesNo, decimal_text, parse_number

SMALL = Path(__file__).parent / "small"
REAL = policies_root()
UNHURRIED = settings(deadline=None, suppress_health_check=list(HealthCheck))


# --- another way to write a policy ---------------------------------------------------------------


def rewritten(tree: dict[str, Any], data: st.DataObject) -> str:
    """The same YAML in another order and another style."""

    def shuffled(node: Any) -> Any:
        if isinstance(node, dict):
            keys = data.draw(st.permutations(list(node))) if len(node) < 40 else reversed(node)
            return {key: shuffled(node[key]) for key in keys}
        return node

    return yaml.safe_dump(
        shuffled(tree),
        default_flow_style=data.draw(st.sampled_from([True, False, None])),
        default_style=data.draw(st.sampled_from([None, "'", '"'])),
        width=data.draw(st.sampled_from([60, 100, 1000])),
        indent=data.draw(st.integers(2, 6)),
        sort_keys=False,
        allow_unicode=True,
    )


def reformatted_copy(root: Path, policy: str, to: Path, data: st.DataObject) -> Compiled:
    year, _, stage = policy.partition("-")
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(root, to, ignore=shutil.ignore_patterns("cases"))
    path = to / year / f"{stage}.yaml"
    tree = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    path.write_text(rewritten(tree, data), encoding="utf-8")
    for block in tree["catalogues"].values():
        reorder_rows(to / block["path"])
    return compile_named(policy, to)


def reorder_rows(path: Path) -> None:
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\r\n".join([head, *reversed(rows)]) + "\r\n", encoding="utf-8")


@settings(UNHURRIED, max_examples=25)
@given(data=st.data())
def test_a_reformatted_copy_does_not_differ(tmp_path: Path, data: st.DataObject) -> None:
    copy = reformatted_copy(SMALL, "2020-final", tmp_path / "policies", data)
    comparison = compare(compile_named("2020-final", SMALL), copy)
    assert not comparison
    assert comparison.citations == ()


@settings(UNHURRIED, max_examples=3)
@given(data=st.data())
@pytest.mark.parametrize("policy", ["2019-final", "2020-proposed", "2020-final"])
def test_a_reformatted_copy_of_a_real_policy_does_not_differ(
    policy: str, tmp_path: Path, data: st.DataObject
) -> None:
    copy = reformatted_copy(REAL, policy, tmp_path / "policies", data)
    comparison = compare(compile_named(policy), copy)
    assert not comparison
    assert comparison.citations == ()


# --- one changed figure --------------------------------------------------------------------------

# Errors that a changed figure may make, besides being a difference.
BROKEN = {"table-check", "table-gap", "table-overlap"}


def compiled_but_for_checks(policy: Policy, like: Compiled) -> tuple[Compiled, set[str]]:
    """The policy as far as a comparison needs it, and the codes of the errors that its checks find:
    a policy whose weights do not sum to 100 still has exactly one other figure."""
    work = Compilation(policy, like.work.sources)
    codes: set[str] = set()
    for name, stage in STAGES:
        stage(work)
        codes = {found.code for found in work.report.diagnostics if found.severity == "error"}
        assert name == "check" or not codes, work.report.diagnostics
    return Compiled(like.program, work), codes


def other_value(figure: Figure, type_: Type) -> Any:
    """Another value of a figure, within its bounds."""
    match figure.value:
        case bool():
            return not figure.value
        case Fraction():
            assert isinstance(type_, Number)
            step = Fraction(1, 100) if type_.unit == "percent" else Fraction(1)
            up = figure.value + step
            return up if up <= type_.high else figure.value - step
        case datetime.date():
            return figure.value + datetime.timedelta(days=1)
        case frozenset():
            return figure.value | {"another"}
        case _:
            return "another"


def other_cell(text: str, type_: Type) -> str:
    """Another content of a cell."""
    match type_:
        case YesNo():
            return {"yes": "no", "no": "yes"}.get(text, "yes")
        case Enumeration(members=members):
            return next(member for member in members if member != text)
        case Number(unit=unit, high=high):
            number = parse_number(text, unit)
            if number is None:  # a range
                return "any"
            step = Fraction(1, 100) if unit == "percent" else Fraction(1)
            number += step if number + step <= high else -step
            return decimal_text(number * 100 if unit == "percent" else number)
    raise TypeError(type_)


Change = tuple[str, Callable[[Policy], Policy]]


def changes(of: Compiled) -> Iterator[Change]:
    """Every way to change one figure: the name of the difference, and what makes it."""
    policy, known = of.work.policy, of.work.known
    for name, figure in policy.parameters.items():
        if figure.value is not None:
            yield name, changed_parameter(figure, other_value(figure, known.parameters[name].type))
    for name in policy.roundings:
        yield name, changed_rounding(name)
    for name, table in policy.tables.items():
        rule = next(one.rule for one in of.work.ordered if one.rows and one.rows.name == name)
        types = {key.name: key.type for key in (*rule.given, *rule.gives)}  # type: ignore[union-attr]
        for row in table.rows.values():
            for column, cell in row.cells.items():
                text = other_cell(cell.text, types[column])
                yield f"{name}.{row.name}.{column}", changed_cell(name, row.name, column, text)


def changed_parameter(figure: Figure, value: Any) -> Callable[[Policy], Policy]:
    other = replace(figure, value=value)
    return lambda policy: replace(policy, parameters={**policy.parameters, figure.name: other})


def changed_rounding(name: str) -> Callable[[Policy], Policy]:
    def change(policy: Policy) -> Policy:
        rounding = policy.roundings[name]
        other = replace(rounding, places=rounding.places + 1)
        return replace(policy, roundings={**policy.roundings, name: other})

    return change


def changed_cell(table: str, row: str, column: str, text: str) -> Callable[[Policy], Policy]:
    def change(policy: Policy) -> Policy:
        rows = dict(policy.tables[table].rows)
        cell = CellText(text, rows[row].cells[column].span)
        rows[row] = replace(rows[row], cells={**rows[row].cells, column: cell})
        tables = {**policy.tables, table: replace(policy.tables[table], rows=rows)}
        return replace(policy, tables=tables)

    return change


def check_one_difference(of: Compiled, name: str, change: Callable[[Policy], Policy]) -> set[str]:
    other, codes = compiled_but_for_checks(change(of.work.policy), of)
    comparison = compare(of, other)
    assert [each.name for each in comparison.differences] == [name]
    assert comparison.catalogues == ()
    assert comparison.citations == ()
    assert codes <= BROKEN
    return codes


def test_every_changed_figure_of_a_small_policy_is_one_difference() -> None:
    of = compile_named("2020-final", SMALL)
    found = {name: check_one_difference(of, name, change) for name, change in changes(of)}
    # 10 parameters, 2 rounding rules, 12 cells of weights, 4 of bonus
    assert len(found) == 28
    assert found["threshold"] == set()
    assert found["weights.both.quality"] == {"table-check"}
    assert "table-overlap" in found["weights.both.cost_scored"]


def test_a_changed_status_is_one_difference() -> None:
    of = compile_named("2020-final", SMALL)
    figure = of.work.policy.parameters["top_rate"]
    other = replace(figure, value=None, status="to_be_announced")
    changed = replace(of.work.policy, parameters={**of.work.policy.parameters, "top_rate": other})
    work = Compilation(changed, of.work.sources)
    for _, stage in STAGES[:-1]:
        stage(work)
    (difference,) = compare(of, Compiled(of.program, work)).differences
    assert difference.b and difference.b.text == "to be announced"


@pytest.fixture(scope="module")
def real() -> tuple[Compiled, list[Change]]:
    of = compile_named("2020-final")
    return of, list(changes(of))


def test_the_real_policy_has_many_figures_to_change(real: tuple[Compiled, list[Change]]) -> None:
    # 16 rows of 9 cells, 11 of 8, 6 rounding rules, some 90 parameters
    assert len(real[1]) > 300


@settings(UNHURRIED, max_examples=40)
@given(data=st.data())
def test_a_changed_figure_of_a_real_policy_is_one_difference(
    real: tuple[Compiled, list[Change]], data: st.DataObject
) -> None:
    of, possible = real
    name, change = data.draw(st.sampled_from(possible))
    check_one_difference(of, name, change)
