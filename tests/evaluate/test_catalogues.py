"""Catalogues as rules read them."""

from __future__ import annotations

import pytest

from evaluate.small import CITE, needs, small
from finalrule.core.expressions import Known

RULES = """type way: one of {ecqm, claims}
type worth: one of {high, medium, none}
entity unit
fact unit.measure: code may be unknown
fact unit.way: way may be unknown
fact unit.flag: yes_no may be unknown
catalogue bench by (measure: code, way: way)
  field cap: yes_no
  field worth: worth
  field instead: code
  field top: rate[0..100]
  field share: percent[0..100]
  field since: date
rule cap_of for unit: yes_no cites "42 CFR 414.1380"
  clause it: lookup(bench.cap by (measure, way), none gives flag) always
rule worth_of for unit: worth cites "42 CFR 414.1380"
  clause it: lookup(bench.worth by (measure, way), none gives none) always
rule instead_of for unit: code cites "42 CFR 414.1380"
  clause it: lookup(bench.instead by (measure, way), none gives "nothing") always
rule top_of for unit: rate[0..100] cites "42 CFR 414.1380"
  clause it: lookup(bench.top by (measure, way), none gives 1) always
rule share_of for unit: percent[0..100] cites "42 CFR 414.1380"
  clause it: lookup(bench.share by (measure, way), none gives 0%) always
rule fixed_key for unit: yes_no cites "42 CFR 414.1380"
  clause it: listed(bench by ("001", claims)) always
rule is_listed for unit: yes_no cites "42 CFR 414.1380"
  clause it: listed(bench by (measure, way)) always
rule recent for unit: yes_no cites "42 CFR 414.1380"
  clause it: lookup(bench.since by (measure, way), none gives 2000-01-01) >= 2020-01-01 always
"""
YEAR = f"parameters: {{}}\ncatalogues:\n  bench: {{path: bench.csv, {CITE}}}\n"
TABLE = """measure,way,cap,worth,instead,top,share,since
001,ecqm,yes,high,236,81.10,45%,2020-01-01
001,claims,no,none,,,,
1,ecqm,no,medium,001,5,7.5,2019-12-31
"""


def value(rule: str, **facts: object) -> Known:
    return small(RULES, YEAR, TABLE).value(rule, **facts)


@pytest.mark.parametrize(
    ("rule", "there", "empty", "missing"),
    [
        ("cap_of", True, False, True),
        ("worth_of", "high", "none", "none"),
        ("instead_of", "236", "nothing", "nothing"),
        ("is_listed", True, True, False),
        ("recent", True, False, False),
    ],
)
def test_a_field(rule: str, there: object, empty: object, missing: object) -> None:
    """Of a record, of one whose cell is empty, and where there is no record."""
    assert value(rule, measure="001", way="ecqm", flag=True) == there
    assert value(rule, measure="001", way="claims", flag=True) == empty
    assert value(rule, measure="999", way="ecqm", flag=True) == missing


def test_numbers_of_a_catalogue_are_exact() -> None:
    assert str(value("top_of", measure="001", way="ecqm")) == "811/10"
    assert value("top_of", measure="001", way="claims") == 1
    assert str(value("share_of", measure="001", way="ecqm")) == "9/20"
    assert str(value("share_of", measure="1", way="ecqm")) == "3/40"
    assert value("share_of", measure="001", way="claims") == 0


def test_keys_are_texts() -> None:
    # 001 and 1 are two measures.
    assert value("worth_of", measure="1", way="ecqm") == "medium"
    assert value("is_listed", measure="01", way="ecqm") is False
    assert value("fixed_key") is True


def test_an_unknown_key_leaves_it_open() -> None:
    assert needs(value("is_listed", measure="001")) == {"unit.way"}
    assert needs(value("worth_of")) == {"unit.measure", "unit.way"}
    # `none gives` is read only where there is no record.
    assert value("cap_of", measure="001", way="ecqm") is True
    assert needs(value("cap_of", measure="999", way="ecqm")) == {"unit.flag"}
