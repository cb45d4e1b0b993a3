"""Tables: the one row that hits, also where what is unknown cannot matter."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction

import msgspec
import pytest

from evaluate.small import CITE, needs, small
from finalrule.core import ir
from finalrule.core.expressions import Context, Known, Unknown
from finalrule.core.table_match import cell_holds
from finalrule.diagnostics import Failure
from finalrule.evaluate.kinds import prepare_rule
from finalrule.evaluate.scalar import Evaluator

RULES = """entity unit
fact unit.a: yes_no may be unknown
fact unit.b: yes_no may be unknown
fact unit.size: count[0..1000] may be unknown
fact unit.kind: one of {individual, group} may be unknown
table weights for unit
  cites "42 CFR 414.1380"
  given first: yes_no = a
  given second: yes_no = b
  given people: count[0..1000] = size
  where first or second
  outside gives 0%, none
  gives share: percent[0..100]
  gives word: one of {none, few, many}
table plain for unit
  cites "42 CFR 414.1380"
  given kind: one of {individual, group} = unit.kind
  given second: yes_no = b
  gives share: percent[0..100]
"""
YEAR = f"""parameters: {{}}
tables:
  weights:
    {CITE}
    rows:
      both: {{first: yes, second: yes, people: any, share: 100%, word: many}}
      first_small: {{first: yes, second: no, people: '<= 15', share: 50%, word: few}}
      first_large: {{first: yes, second: no, people: '> 15', share: 25.5%, word: many}}
      second_only: {{first: no, second: yes, people: any, share: 50%, word: few}}
  plain:
    {CITE}
    rows:
      alone: {{kind: individual, second: any, share: 100%}}
      together: {{kind: group, second: yes, share: 50%}}
      apart: {{kind: group, second: no, share: 40%}}
"""


def decision(table: str = "weights", /, **facts: object) -> tuple[str, dict[str, Known]]:
    found = small(RULES, YEAR).decision(table, **facts)
    return found.winner, dict(found.values)


@pytest.mark.parametrize(
    ("facts", "winner", "share", "word"),
    [
        ({"a": True, "b": True, "size": 0}, "both", "1", "many"),
        ({"a": True, "b": False, "size": 15}, "first_small", "0.5", "few"),
        ({"a": True, "b": False, "size": 16}, "first_large", "0.255", "many"),
        ({"a": False, "b": True, "size": 1000}, "second_only", "0.5", "few"),
        # outside of the domain, none of the rows is asked
        ({"a": False, "b": False, "size": 3}, "outside", "0", "none"),
        # what is unknown cannot matter
        ({"a": True, "b": True}, "both", "1", "many"),
        ({"a": False, "b": True}, "second_only", "0.5", "few"),
        ({"a": False, "b": False}, "outside", "0", "none"),
    ],
)
def test_the_row_that_hits(facts: Mapping[str, object], winner: str, share: str, word: str) -> None:
    assert decision(**facts) == (winner, {"share": Fraction(share), "word": word})


@pytest.mark.parametrize(
    ("facts", "needed"),
    [
        # the size matters here, all else is known
        ({"a": True, "b": False}, {"unit.size"}),
        # in the domain for sure, but in which row?
        ({"a": True, "size": 3}, {"unit.b"}),
        # perhaps not in the domain
        ({"a": False, "size": 3}, {"unit.b"}),
        ({}, {"unit.a", "unit.b"}),
    ],
)
def test_undetermined(facts: Mapping[str, object], needed: set[str]) -> None:
    winner, values = decision(**facts)
    assert winner == ""
    assert set(values) == {"share", "word"}
    for value in values.values():
        assert needs(value) == needed


def test_an_unknown_column_that_cannot_matter_here() -> None:
    assert decision("plain", kind="individual") == ("alone", {"share": Fraction(1)})
    assert decision("plain", kind="group")[0] == ""
    assert decision("plain", b=True)[0] == ""


def test_every_row_that_is_determined_stays() -> None:
    """Every combination of known and unknown columns against all of its completions."""
    columns = {"a": (True, False), "b": (True, False), "size": (0, 15, 16, 1000)}
    for values in itertools.product(*((*each, None) for each in columns.values())):
        facts = dict(zip(columns, values, strict=True))
        choices = [columns[name] if v is None else (v,) for name, v in facts.items()]
        possible = {
            decision(**dict(zip(columns, completion, strict=True)))[0]
            for completion in itertools.product(*choices)
        }
        winner = decision(**facts)[0]
        assert possible == {winner} if winner else len(possible) > 1, facts


@pytest.mark.parametrize(
    ("cell", "holds", "fails"),
    [
        (ir.Cell(), [Fraction(0), True, "x"], []),
        (ir.Cell(equals="yes"), [True], [False]),
        (ir.Cell(equals="no"), [False], [True]),
        (ir.Cell(equals="group"), ["group"], ["individual", "yes"]),
        (ir.Cell(low=Fraction(2)), [Fraction(2), Fraction(3)], [Fraction(199, 100)]),
        (ir.Cell(low=Fraction(2), low_included=False), [Fraction(201, 100)], [Fraction(2)]),
        (ir.Cell(high=Fraction(2)), [Fraction(2), Fraction(1)], [Fraction(201, 100)]),
        (ir.Cell(high=Fraction(2), high_included=False), [Fraction(1)], [Fraction(2)]),
        (ir.Cell(low=Fraction(1), high=Fraction(2)), [Fraction(1), Fraction(2)], [Fraction(3)]),
    ],
)
def test_cells(cell: ir.Cell, holds: list[object], fails: list[object]) -> None:
    assert [cell_holds(cell, value) for value in holds] == [True] * len(holds)  # type: ignore[arg-type]
    assert [cell_holds(cell, value) for value in fails] == [False] * len(fails)  # type: ignore[arg-type]


def broken(evaluator: Evaluator, drop: str, again: str) -> ir.Table:
    """The table without one row and with another one twice: the compiler refuses both."""
    table = evaluator.rules["plain"]
    assert isinstance(table, ir.Table)
    rows = {row.name: row for row in table.rows if row.name != drop}
    both = (*rows.values(), *([rows[again]] if again else []))
    return msgspec.structs.replace(table, rows=both)


@pytest.mark.parametrize(
    ("drop", "again", "facts", "code"),
    [
        ("apart", "", {"kind": "group", "b": False}, "table-gap"),
        ("alone", "", {"kind": "individual"}, "table-gap"),  # whatever b is
        ("", "together", {"kind": "group", "b": True}, "table-overlap"),
    ],
)
def test_rows_that_do_not_hold_what_they_promise(
    drop: str, again: str, facts: dict[str, object], code: str
) -> None:
    program = small(RULES, YEAR)
    decide = prepare_rule(broken(program.evaluator, drop, again), Context({}, {}))
    frame = program.evaluate(**facts).root
    with pytest.raises(Failure) as raised:
        decide(frame)
    assert raised.value.diagnostics[0].code == code
    # Where another row may still be the one, nothing is wrong yet.
    assert isinstance(decide(program.evaluate().root).values["share"], Unknown)
