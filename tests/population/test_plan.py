"""Which table keeps what a rule came to."""

from __future__ import annotations

from evaluate.small import small
from finalrule.population.plan import compile_population

# Results are computed, then their unit's total, then what each result is beside it, and last the
# total of all units, which is of another group than what stands below a unit.
RULES = """entity program
entity scoring_unit of program
entity result of scoring_unit
  key measure: code
fact result.x: points[0..100] scale 0 required
fact scoring_unit.y: points[0..100] scale 0 required
rule worth for result: points[0..100]
  cites "42 CFR 414.1380"
  clause many: x when x > 10 points
  clause few: 0 points otherwise
rule total for scoring_unit: points[0..10000]
  cites "42 CFR 414.1380"
  clause only: sum(worth over result) always
rule above for result: yes_no
  cites "42 CFR 414.1380"
  clause over: yes when worth > scoring_unit.y
  clause under: no when worth <= scoring_unit.y and scoring_unit.total < 1 point
  clause rest: no otherwise
rule everybody for program: points[0..1000000]
  cites "42 CFR 414.1380"
  clause only: sum(y over scoring_unit where total > 1 point) always
"""


def test_an_outcome_is_in_the_table_of_its_own_pass_alone() -> None:
    plan = compile_population(small(RULES).evaluator.program, {})
    assert plan.tables == {
        "worth": "result_1",
        "total": "scoring_unit_1",
        "above": "result_2",
        "everybody": "program_1",
    }
    assert {table: set(columns) for table, columns in plan.results.items()} == {
        "result_1": {"id", "by_1_1", "worth"},
        "scoring_unit_1": {"id", "by_1_1", "total"},
        "result_2": {"id", "by_2_1"},  # yes or no follows from the clause
        "program_1": {"id", "by_1_1", "everybody"},
    }


def test_a_table_is_kept_with_what_other_groups_read_of_it() -> None:
    """`above` reads `worth` of `result_1` in the same group; the program, in the next one, reads
    `y` of `scoring_unit_1`, which is no outcome."""
    plan = compile_population(small(RULES).evaluator.program, {})
    units, program = plan.groups()
    assert {table: set(columns) for table, columns in plan.leaves(units).items()} == {
        "result_1": {"id", "by_1_1", "worth"},
        "scoring_unit_1": {"id", "by_1_1", "total", "y"},
        "result_2": {"id", "by_2_1"},
    }
    assert list(plan.leaves(program)) == ["program_1"]
