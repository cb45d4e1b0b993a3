"""Cases as internal tables: what is written is what the evaluator is given."""

from __future__ import annotations

import datetime
from fractions import Fraction

import duckdb
import pytest

from evaluate.small import small
from finalrule.core import ir
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.evaluate.generate import Generator
from finalrule.facts.case import Case, Given, Record
from finalrule.places import policies_root
from finalrule.tables.from_cases import case_columns, internal_tables, write_cases
from finalrule.tables.internal import Layout
from finalrule.values import Date, Enumeration, Number, Value
from tables.conftest import program_of

POLICIES = ["2019-final", "2020-proposed", "2020-final"]


@pytest.fixture(scope="module", params=POLICIES)
def generated(request: pytest.FixtureRequest) -> tuple[ir.Program, list[Case]]:
    program = program_of(request.param)
    generator = Generator(program, open_catalogues(program, policies_root()))
    return program, [generator.case(f"tables/{seed}") for seed in range(120)]


def decoded(fact: ir.FactDeclaration, row: dict[str, object]) -> Value | None:
    """A fact's value from its columns, by the description of the internal tables."""
    match fact.type:
        case Number(scale=None):
            n, d = row[f"{fact.name}__n"], row[f"{fact.name}__d"]
            assert (n is None) == (d is None)
            if n is None:
                return None
            assert isinstance(n, int) and isinstance(d, int) and d > 0
            return Fraction(n, d)
        case Number(scale=int(scale), unit=unit):
            scaled = row[fact.name]
            places = scale + 2 if unit == "percent" else scale
            return None if scaled is None else Fraction(scaled, 10**places)  # type: ignore[call-overload, no-any-return]
        case Enumeration(members=members):
            place = row[fact.name]
            assert place is None or isinstance(place, int)
            return None if place is None else members[place]
        case Date():
            days = row[fact.name]
            assert days is None or isinstance(days, int)
            return None if days is None else datetime.date(1970, 1, 1) + datetime.timedelta(days)
        case _:
            found = row[fact.name]
            assert found is None or isinstance(found, bool | str)
            return found


def rows_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, object]]:
    found = connection.execute(f'SELECT * FROM "{table}" ORDER BY id')
    names = [one[0] for one in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_every_fact_comes_back(generated: tuple[ir.Program, list[Case]]) -> None:
    program, cases = generated
    connection = duckdb.connect()
    assert write_cases(program, cases, connection, 1000) == len(cases)
    by_id = {entity.name: {row["id"]: row for row in rows_of(connection, entity.name)}
             for entity in program.entities}  # fmt: skip
    seen = {name: 0 for name in by_id}
    for number, case in enumerate(cases, 1000):
        of_case = {name: [row for row in rows.values() if row["case_id"] == number]
                   for name, rows in by_id.items()}  # fmt: skip
        ids: dict[int, object] = {}
        for record in case.root.walk():
            row = of_case[record.entity].pop(0)
            ids[id(record)] = row["id"]
            seen[record.entity] += 1
            facts = [fact for fact in program.facts if fact.entity == record.entity]
            assert {fact.name: decoded(fact, row) for fact in facts} == {
                fact.name: record.facts[fact.name].value if fact.name in record.facts else None
                for fact in facts
            }
            above = record.parent
            while above is not None:
                assert row[f"{above.entity}_id"] == ids[id(above)]
                above = above.parent
        for record in case.root.walk():
            if record.refers is not None:
                row = by_id[record.entity][ids[id(record)]]
                assert row[f"{record.refers.entity}_id"] == ids[id(record.refers)]
        assert not any(of_case.values())
    assert all(seen.values())


def test_lists_and_tables_are_the_same(generated: tuple[ir.Program, list[Case]]) -> None:
    program, cases = generated
    connection = duckdb.connect()
    write_cases(program, cases, connection)
    lists = internal_tables(program, cases)
    assert list(lists) == [entity.name for entity in program.entities]
    for entity, columns in lists.items():
        declared = case_columns(Layout(program), entity)
        described = connection.execute(f'DESCRIBE "{entity}"').fetchall()
        assert [(row[0], row[1]) for row in described] == [(one.name, one.sql) for one in declared]
        rows = rows_of(connection, entity)
        assert columns == {name: [row[name] for row in rows] for name in columns}


def test_no_case_makes_empty_tables(program: ir.Program) -> None:
    connection = duckdb.connect()
    assert write_cases(program, [], connection) == 0
    assert rows_of(connection, "measure_result") == []
    assert internal_tables(program, [])["program"]["id"] == []


RULES = """
entity program
entity unit of program
  key name: code
entity member of unit
  key npi: code
entity pay of program
entity offer of pay refers to member
  key name: code
fact unit.flag: yes_no may be unknown
fact unit.share: percent[0..100] exact may be unknown
fact unit.cost: usd[0..100] required
fact unit.count: count[0..10] absent means 3 cites "42 CFR 414.1380"
rule r for unit: yes_no
  cites "42 CFR 414.1380"
  clause c: flag always
"""


@pytest.fixture(scope="module")
def tiny() -> ir.Program:
    return small(RULES).evaluator.program


def unit(parent: Record, name: str, **facts: Value) -> Record:
    values: dict[str, Value] = {"name": name, "cost": Fraction(1), "count": Fraction(3), **facts}
    return parent.add("unit", {key: Given(value, "test") for key, value in values.items()})


def test_a_reference_and_what_stands_above_it(tiny: ir.Program) -> None:
    root = Record("program", {})
    first, second = unit(root, "a"), unit(root, "b")
    members = [one.add("member", {"npi": Given("1", "test")}) for one in (first, second, second)]
    pay = root.add("pay", {})
    pay.add("offer", {"name": Given("x", "test")}).refers = members[2]
    pay.add("offer", {"name": Given("y", "test")})
    tables = internal_tables(tiny, [Case(root, {}, "")], 10)
    assert tables["member"]["unit_id"] == [10, 11, 11]
    assert tables["offer"] == {
        "id": [10, 11], "pay_id": [10, 10], "member_id": [12, None], "unit_id": [11, None],
        "name": ["x", "y"], "program_id": [10, 10], "case_id": [10, 10],
    }  # fmt: skip


def test_a_case_need_not_be_of_a_program(tiny: ir.Program) -> None:
    tables = internal_tables(tiny, [Case(Record("pay", {}), {}, "")] * 2)
    assert tables["pay"] == {"id": [0, 1], "program_id": [0, 1], "case_id": [0, 1]}
    assert tables["program"]["id"] == []


def test_numbers_are_scaled_by_their_unit(tiny: ir.Program) -> None:
    root = Record("program", {})
    unit(root, "a", cost=Fraction("1.25"), share=Fraction(1, 3), flag=False)
    columns = internal_tables(tiny, [Case(root, {}, "")])["unit"]
    assert {name: columns[name] for name in ("flag", "share__n", "share__d", "cost", "count")} == {
        "flag": [False], "share__n": [1], "share__d": [3], "cost": [125], "count": [3]
    }  # fmt: skip


@pytest.mark.parametrize("name", ['a "quoted", name', "two\nlines", "", "NULL", "ä,\t", "\\N"])
def test_codes_are_kept_as_they_are(tiny: ir.Program, name: str) -> None:
    root = Record("program", {})
    for at in range(3):
        unit(root, f"{name}{at}" if at else name)
    connection = duckdb.connect()
    write_cases(tiny, [Case(root, {}, "")], connection)
    found = [row["name"] for row in rows_of(connection, "unit")]
    assert found == [name, f"{name}1", f"{name}2"]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"cost": Fraction(1, 3)}, "decimal places"),
        ({"share": Fraction(1, 3**50)}, "no table has the digits"),
        ({"share": Fraction(1, 10**9 + 7)}, "no table has the digits"),
        ({"count": None}, "case 0: unit.count is not given"),
        ({"cost": None}, "case 0: unit.cost is not given"),
    ],
)
def test_what_cannot_be_written(tiny: ir.Program, facts: dict[str, Value], said: str) -> None:
    root = Record("program", {})
    made = unit(root, "a")
    for name, value in facts.items():
        if value is None:
            del made.facts[name]
        else:
            made.facts[name] = Given(value, "test")
    with pytest.raises(ValueError, match=said):
        internal_tables(tiny, [Case(root, {}, "")])
