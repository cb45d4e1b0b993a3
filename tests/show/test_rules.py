"""A rule's block cut out of its file, and the values of figures beside its lines."""

from __future__ import annotations

from finalrule.core.declare import Written
from finalrule.diagnostics import Report
from finalrule.language import syntax as s
from finalrule.language.parse import parse
from finalrule.show.rules import block_text, with_values
from finalrule.source import Source

FILE = """module mips.small
fact unit.a: yes_no required

-- About the first.
rule first for unit: yes_no   -- beside it
  cites "42 CFR 414.1305"

  -- within it
  clause a: yes when a   
  clause b: no otherwise because "rule second for unit"

-- About the second.
table second for unit cites "42 CFR 414.1305" gives x: percent[0..1]
rule third for unit: yes_no
cites "42 CFR 414.1305"
clause
  only: yes always
-- The end.
"""


def block(name: str, text: str = FILE) -> str:
    source = Source("small.rules", text)
    report = Report()
    module = parse(source, report)
    assert module is not None, report.diagnostics
    rule = next(
        statement
        for statement in module.statements
        if isinstance(statement, s.RuleSyntax) and statement.name.text == name
    )
    return block_text(Written(rule, source), module)


def test_comments_within_belong_to_the_rule_those_after_it_do_not() -> None:
    assert block("first") == (
        "rule first for unit: yes_no   -- beside it\n"
        '  cites "42 CFR 414.1305"\n'
        "\n"
        "  -- within it\n"
        "  clause a: yes when a\n"
        '  clause b: no otherwise because "rule second for unit"'
    )


def test_a_block_on_one_line_and_the_last_of_the_file() -> None:
    assert block("second") == (
        'table second for unit cites "42 CFR 414.1305" gives x: percent[0..1]'
    )
    assert block("third").splitlines()[-1] == "  only: yes always"


def test_values_stand_beside_the_lines_that_read_them() -> None:
    text = (
        "  clause a: params.low.b when x > params.low.c\n"
        '    because "params.low.b is not read here" -- nor params.low.c here\n'
        "  clause c: params.unknown otherwise -- a comment, params.low.b\n"
        "  clause d: params.low.b otherwise -- a comment"
    )
    assert with_values(text, {"low.b": "10 points", "low.c": "45%"}) == (
        "  clause a: params.low.b when x > params.low.c  -- 10 points; 45%\n"
        '    because "params.low.b is not read here" -- nor params.low.c here\n'
        "  clause c: params.unknown otherwise -- a comment, params.low.b\n"
        "  clause d: params.low.b otherwise -- a comment\n"
        "    -- 10 points"
    )


def test_a_value_that_has_no_room_stands_on_a_line_of_its_own() -> None:
    line = "    when " + "a_long_name and " * 5 + "params.low"
    assert len(line) == 99
    assert with_values(line, {"low": "1"}) == f"{line}\n      -- 1"
    assert with_values(line[5:], {"low": "1"}) == f"{line[5:]}  -- 1"
