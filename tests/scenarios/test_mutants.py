"""Which mutants a policy has, and which of them scenarios notice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from finalrule.cli.test import test as command
from finalrule.core import ir
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.scenarios import mutate as mutate_module
from finalrule.scenarios.edits import Speaker, edits, settled, step
from finalrule.scenarios.mutants import Mutant, mutants, unread
from finalrule.scenarios.mutate import Hunt, Job, Tried, judge, mutate, read_equivalents
from finalrule.scenarios.run import prepare_scenario, run_prepared
from finalrule.scenarios.suite import Suite
from finalrule.values import Unit

Suites = Callable[[str], Suite]
Run = Callable[..., tuple[int, str]]

# One scenario for each side of $90 and of 200.
BOUNDARIES = """
  - name: just over both
    given: {unit: {charges: $90.01, patients: 201}}
    expect: {volume: {value: included, clause: both}}
  - name: charges at the figure
    given: {unit: {charges: $90.00, patients: 201}}
    expect: {volume: {value: opt_in, clause: one}}
  - name: patients at the figure
    given: {unit: {charges: $90.01, patients: 200}}
    expect: {volume: {value: opt_in, clause: one}}
  - name: both at the figure
    given: {unit: {charges: $90.00, patients: 200}}
    expect: {volume: {value: excluded, clause: none}}
"""


@pytest.fixture
def program(root: Path) -> ir.Program:
    return load_evaluator("2020-final", (), root).program


def named(found: Iterable[Mutant], start: str) -> list[str]:
    return [one.name.removeprefix(start) for one in found if one.name.startswith(start)]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("90000", "usd", "1/100"),  # a cent
        ("200", "count", "1"),
        ("90", "days", "1"),
        ("45", "points", "1/100"),
        ("45/100", "percent", "1/100"),  # 45%: one of the last written digit, 1%
        ("85/1000", "percent", "1/1000"),  # 8.5%
        ("203/1000", "ratio", "1/1000"),
        ("2", "ratio", "1"),
    ],
)
def test_step(value: str, unit: Unit, expected: str) -> None:
    assert step(ir.Num(Fraction(value), unit)) == Fraction(expected)


def test_figures(program: ir.Program) -> None:
    found = [one for one in mutants(program) if one.kind == "figure"]
    assert named(found, "volume.charges: ") == ["$89.99 for $90.00", "$90.01 for $90.00"]
    assert named(found, "best.count: ") == ["0 for 1", "2 for 1"]
    assert named(found, "rounding partial: ") == [
        "0 places for 1", "2 places for 1", "half_even for half_up",
    ]  # fmt: skip
    assert named(found, "factor.small_group.") == [
        "in_group: no for yes",
        "size: ends at 14 for 15", "size: ends at 16 for 15",
        "factor: 49% for 50%", "factor: 51% for 50%",
    ]  # fmt: skip
    # 101% is outside percent[0..100]: the compiler would refuse it
    assert named(found, "factor.alone.factor: ") == ["99% for 100%"]
    places = {str(one.place) for one in found if one.name.startswith("factor.small_group")}
    assert places == {"policies/2020/final.yaml:21:7"}


def test_figures_that_no_rule_reads(program: ir.Program) -> None:
    assert [figure.name for figure in unread(program)] == ["volume.days", "volume.kinds"]
    assert not any(one.name.startswith(("volume.days", "volume.kinds")) for one in mutants(program))


def test_clauses(program: ir.Program) -> None:
    found = [one for one in mutants(program) if one.kind == "clause"]
    assert named(found, "volume.let patients_over: ") == [
        "`patients >= params.volume.patients` for `patients > params.volume.patients`"
    ]
    assert named(found, "volume.both: ") == [
        "the condition negated",
        "`charges_over or patients_over` for `charges_over and patients_over`",
        "without `charges_over` in `charges_over and patients_over`",
        "without `patients_over` in `charges_over and patients_over`",
        "the value of one",
    ]
    assert named(found, "counted: ") == ["where dropped", "`by points` turned round"]
    # 5 points: where one piece ends and the next begins, together
    assert named(found, "adjustment.low.end: ") == [
        "`4.99 points` for `5 points`", "`5.01 points` for `5 points`", "up_to for through",
    ]  # fmt: skip
    assert named(found, "total.summed: ") == [
        "`sum(points over result)` for `sum(points over result where counted)`"
    ]


def changes(program: ir.Program, expr: ir.Expr) -> list[str]:
    """What the edits of an expression say, in the scope of the small policy's rule `volume`."""
    rule = next(rule for rule in program.rules if rule.name == "volume")
    return [said for said, _ in edits(expr, Speaker.of(program, rule))]


def test_edits_of_expressions(program: ir.Program) -> None:
    charges = ir.Fact("unit", "charges")
    patients = ir.Fact("unit", "patients")
    kind = ir.Fact("unit", "kind")
    hundred = ir.Num(Fraction(100), "usd")
    both = ir.CodeSet(("individual", "group"))
    over = ir.Compare(">", charges, hundred)
    assert changes(program, over) == [
        "`charges >= $100` for `charges > $100`", "`$99.99` for `$100`", "`$100.01` for `$100`",
    ]  # fmt: skip
    assert changes(program, ir.In(kind, both)) == [
        "`kind in {individual, group}` without individual",
        "`kind in {individual, group}` without group",
    ]
    assert changes(program, ir.In(kind, ir.CodeSet(("group",)))) == ["`no` for `kind is group`"]
    assert changes(program, ir.Arith("*", charges, patients, "usd")) == [
        "`charges / patients` for `charges * patients`"
    ]
    assert changes(program, ir.Extreme("min", (charges, hundred)))[0] == (
        "`max(charges, $100)` for `min(charges, $100)`"
    )
    assert changes(program, ir.FirstKnown((charges, hundred)))[:2] == [
        "without `charges` in `first_known(charges, $100)`",
        "without `$100` in `first_known(charges, $100)`",
    ]
    assert changes(program, ir.Aggregate("any", "result", None, ir.Fact("result", "rate"))) == [
        "`every(result where rate)` for `any(result where rate)`",
        "`any(result)` for `any(result where rate)`",
    ]
    # zero is not made negative
    assert changes(program, ir.Num(Fraction(0), "points")) == ["`0.01 points` for `0 points`"]


def test_no_edits_of_what_is_not_in_force(program: ir.Program) -> None:
    """A constant `no` among alternatives, or 0 added, stands for a rule that is not in force."""
    charges = ir.Fact("unit", "charges")
    over = ir.Compare(">", charges, ir.Param("volume.charges"))
    said = changes(program, ir.Logic("any", (over, ir.Bool(False))))
    assert not any(one.startswith("without `no`") for one in said)
    nothing = ir.Num(Fraction(0), "usd")
    assert changes(program, ir.Arith("+", charges, nothing, "usd")) == ["`$0.01` for `$0`"]
    assert settled(ir.Logic("all", (over, ir.Bool(False))), {}) is False
    assert settled(ir.Logic("none", (over, ir.Let("dead"))), {"dead": ir.Bool(True)}) is False
    assert settled(ir.Logic("at_least", (over, ir.Bool(True), ir.Bool(True)), 2), {}) is True
    assert settled(ir.Logic("any", (over, ir.Bool(False))), {}) is None


def test_each_mutant_is_another_program(program: ir.Program) -> None:
    found = mutants(program)
    assert len({one.program for one in found} | {program}) == len(found) + 1
    assert len({one.name for one in found}) == len(found)


def test_rows_that_tables_share_change_together(root: Path) -> None:
    rules = root / "rules" / "small.rules"
    rules.write_text(
        rules.read_text()
        + """
table factor_again for unit
  cites "42 CFR 414.1305"
  rows of factor
  given in_group: yes_no = kind is group
  given size: count[0..100000] = patients
  gives factor: percent[0..100]
"""
    )
    program = load_evaluator("2020-final", (), root).program
    (found,) = (one for one in mutants(program) if one.name == "factor.alone.factor: 99% for 100%")
    assert found.readers == ("factor", "factor_again")
    values = {
        rule.name: rule.rows[0].values[0] for rule in found.program.rules
        if isinstance(rule, ir.Table)
    }  # fmt: skip
    assert set(values.values()) == {ir.Num(Fraction(99, 100), "percent")}


def survivors(suite: Suite, module: str = "") -> list[str]:
    hunt = Hunt(suite, "2020-final", module)
    tried = [hunt.try_one(number) for number in range(len(hunt.mutants))]
    return [one.name for one in tried if one.survived]


def test_boundaries_notice_what_the_middle_does_not(suite_of: Suites) -> None:
    far = BOUNDARIES.replace("$90.01", "$99").replace("$90.00", "$50")
    volume = [name for name in survivors(suite_of(far)) if name.startswith("volume")]
    assert volume == [
        "volume.charges: $89.99 for $90.00",
        "volume.charges: $90.01 for $90.00",
        "volume.let charges_over: `charges >= params.volume.charges` for "
        "`charges > params.volume.charges`",
    ]
    assert not [name for name in survivors(suite_of(BOUNDARIES)) if name.startswith("volume")]


def test_what_is_not_asserted_survives(suite_of: Suites) -> None:
    # `volume` is evaluated by no scenario here, so that each of its mutants survives.
    suite = suite_of("""
  - name: alone
    given: {unit: {kind: individual, patients: 16}}
    expect: {factor: 100%}
""")
    names = set(survivors(suite))
    assert {one.name for one in mutants(suite.evaluators["2020-final"].program)
            if one.name.startswith("volume")} <= names  # fmt: skip
    assert "factor.alone.factor: 99% for 100%" not in names


SOME = (
    BOUNDARIES
    + """
  - name: alone
    given: {unit: {kind: individual, patients: 16}}
    expect: {factor: 100%}
  - name: a tie of rounding
    # 2.5/10 into decile 3: 0.25, half up 0.3
    given: {result: [{measure: 1, rate: 12.5}, {measure: 2, rate: 15}]}
    expect: {'points[1]': 3.3 points, total: 3.5 points, adjustment: -9%}
"""
)


def test_choosing_scenarios_loses_nothing(suite_of: Suites) -> None:
    """Only scenarios that evaluate the changed rule are run: the same mutants are noticed as when
    every scenario is run."""
    suite = suite_of(SOME)
    base = suite.evaluators["2020-final"]
    prepared = [prepare_scenario(scenario, base) for scenario, _ in suite.pairs()]
    noticed = []
    for mutant in mutants(base.program):
        evaluator = Evaluator(mutant.program, base.catalogues)
        if not all(run_prepared(one, evaluator).passed for one in prepared):
            noticed.append(mutant.name)
    hunt = Hunt(suite, "2020-final")
    tried = [hunt.try_one(number) for number in range(len(hunt.mutants))]
    assert [one.name for one in tried if one.killed_by] == noticed
    assert 0 < len(noticed) < len(tried)


def test_processes_change_nothing(suite_of: Suites, root: Path) -> None:
    suite = suite_of(SOME)
    count = len(mutants(suite.evaluators["2020-final"].program))
    assert count > 2 * mutate_module._CHUNK  # else one process does it all
    job = Job((), root, "")
    alone = list(mutate(suite, job, {"2020-final": count}, processes=1))
    assert list(mutate(suite, job, {"2020-final": count}, processes=2)) == alone


# --- the list of equivalent mutants ------------------------------------------------------------


def tried(name: str, killed_by: str = "") -> Tried:
    place = ir.Place("policies/2020/final.yaml", 1, 1)
    return Tried("2020-final", name, "figure", place, killed_by, 1)


@pytest.fixture
def listed(root: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (root / "cases" / "equivalent_mutants.yaml").write_text(text)
        return root

    return write


LIST = """equivalent:
  - mutants: ['a: 1 for 2']
    because: it is multiplied with zero
  - mutants: ['b: 1 for 2']
    policies: [2019-final]
    because: it is multiplied with zero in 2019
"""


def test_equivalent(listed: Callable[[str], Path]) -> None:
    entries = read_equivalents(listed(LIST))
    judged, report = judge([tried("a: 1 for 2"), tried("b: 1 for 2")], entries, whole=False)
    assert [one.survived for one in judged] == [False, True]  # b is listed for 2019 only
    assert judged[0].equivalent == "it is multiplied with zero"
    assert not report.has_errors


def test_the_list_stays_honest(listed: Callable[[str], Path]) -> None:
    entries = read_equivalents(listed(LIST))
    judged, report = judge([tried("a: 1 for 2", "a scenario")], entries, whole=True)
    assert [one.code for one in report.diagnostics] == ["not-equivalent", "unknown-mutant"]
    assert (judged[0].survived, judged[0].equivalent) == (False, "")


def test_no_list(root: Path) -> None:
    assert read_equivalents(root) == []


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("finalrule.cli.test.policies_root", lambda: root)

    def ran(*args: str) -> tuple[int, str]:
        result = CliRunner().invoke(command, ["--mutate", "--processes", "1", *args])
        return result.exit_code, result.output

    return ran


def test_command(run: Run, write: Callable[[str], Path]) -> None:
    write(BOUNDARIES.replace("$90.01", "$99"))
    code, text = run()
    assert code == 1
    assert (
        "SURVIVED policies/2020/final.yaml:9: volume.charges: $90.01 for $90.00\n"
        "    2020-final; 4 scenarios evaluate what it changes\n"
    ) in text
    assert "No rule in force reads volume.days (2020-final)" in text
    code, text = run("--format", "json")
    assert code == 1
    found = {one["mutant"]: one for one in json.loads(text)["mutants"]}
    assert found["volume.charges: $90.01 for $90.00"]["survived"]
    assert found["volume.charges: $89.99 for $90.00"]["killed_by"] == "charges at the figure"


def test_nothing_survives(run: Run, root: Path, write: Callable[[str], Path]) -> None:
    rules = root / "rules" / "small.rules"
    rules.write_text(rules.read_text().partition("table factor")[0])
    year = (root / "2020" / "final.yaml").read_text()
    (root / "2020" / "final.yaml").write_text(
        year.partition("tables:")[0] + "catalogues:" + year.partition("catalogues:")[2]
    )
    write(BOUNDARIES)
    code, text = run()
    assert code == 0, text
    # 4 figures (two, up and down) and the clauses of `volume`
    count = len(mutants(load_evaluator("2020-final", (), root).program))
    row = next(line for line in text.splitlines() if line.startswith("2020-final")).split()
    assert row[1:] == [str(count), "4", str(count - 4), str(count), "0", "0"]


def test_mutants_need_scenarios_that_pass(run: Run, write: Callable[[str], Path]) -> None:
    write(BOUNDARIES.replace("value: included", "value: excluded"))
    code, text = run()
    assert code == 1
    assert "mutants are tried only when every scenario passes" in text
