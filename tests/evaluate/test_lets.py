"""Lets are their rule's own: another rule of the same record may have one of the same name."""

from __future__ import annotations

from fractions import Fraction

from evaluate.small import CITE, small

RULES = """entity unit
entity result of unit
  key id: code
fact result.got: rate[0..100] required
fact result.kind: code required
catalogue bench by (kind: code)
  field inverse: yes_no
  bounds deciles: rate inverse by inverse
parameter one: count[0..10]
rounding partial of points
rule doubled for result: rate[0..200] cites "42 CFR 414.1380"
  let it = got * 2
  clause it: it always
table halved for result
  cites "42 CFR 414.1380"
  let it = got / 2
  given large: yes_no = it > 20
  gives share: percent[0..100]
curve tripled for result: points[0..300]
  cites "42 CFR 414.1380"
  let it = (got * 3) as points
  of it
  piece all: from 0 points through 300 points: line (0 points, 0 points) to (300 points, 300 points)
deciles tenth for result: points[0..10]
  cites "42 CFR 414.1380"
  let it = got / 10
  of it
  in bench by (kind)
  rounding partial
  below gives 0 points
  none gives 0 points
select least from result
  cites "42 CFR 414.1380"
  let it = 100 - got
  where it > 0
  best params.one
  by it descending
  ties by id
rule again for result: rate[0..200] cites "42 CFR 414.1380"
  let it = got + 1
  clause it: it always
"""
YEAR = f"""parameters:
  one: {{value: 1, unit: count, {CITE}}}
rounding:
  partial: {{places: 1, mode: half_up, unit: points, {CITE}}}
tables:
  halved:
    {CITE}
    rows:
      small: {{large: no, share: 10%}}
      large: {{large: yes, share: 20%}}
catalogues:
  bench: {{path: bench.csv, {CITE}}}
"""
TABLE = "kind,inverse,d1,d2,d3,d4,d5,d6,d7,d8,d9,d10\nx,no,,1,2,3,4,5,6,7,8,9\n"


def test_every_kind_of_rule_has_its_own() -> None:
    results = [{"id": "a", "kind": "x", "got": 30}, {"id": "b", "kind": "x", "got": 50}]
    evaluation = small(RULES, YEAR, TABLE).evaluate(result=results)
    for frame, got in zip(evaluation.frames_of("result"), (30, 50), strict=True):
        assert evaluation.value("doubled", frame) == 2 * got
        assert evaluation.value("halved", frame, "share") == Fraction(1 if got == 30 else 2, 10)
        assert evaluation.value("tripled", frame) == 3 * got
        assert evaluation.value("tenth", frame) == got // 10 + 1  # d2 begins at 1
        assert evaluation.value("least", frame) is (got == 30)
        assert evaluation.value("again", frame) == got + 1
