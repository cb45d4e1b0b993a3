"""What a record refers to is read as if it stood above; a record that points at nothing leaves what
would be read there undetermined."""

from __future__ import annotations

from fractions import Fraction

import pytest

from evaluate.small import Small, needs, small
from finalrule.core.expressions import Known
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.outcomes import OutcomeName
from finalrule.evaluate.scalar import Evaluation
from finalrule.evaluate.shrink import case_text, shrink, smaller
from finalrule.evaluate.trace import trace
from finalrule.facts.case import Case, Given, Record

RULES = """entity program
fact program.factor: ratio[0..3] may be unknown
entity scoring_unit of program
  key tin: code
fact scoring_unit.score: points[0..100] required
fact scoring_unit.extra: points[0..10] may be unknown
entity clinician of scoring_unit
  key npi: code
fact clinician.eligible: yes_no may be unknown
entity tin_npi of program
  key id: code
entity available_score of tin_npi refers to clinician
  key kind: one of {individual, group, virtual_group}
fact available_score.given: points[0..100] may be unknown
entity note of available_score
  key id: code
fact note.weight: ratio[0..1] required
rule doubled for scoring_unit: points[0..200]
  cites "42 CFR 414.1380"
  clause doubled: score * 2 always
rule adjusted for clinician: yes_no
  cites "42 CFR 414.1405"
  clause adjusted: eligible always
rule read for available_score: points[0..200]
  cites "42 CFR 414.1405"
  clause adjusted: doubled when adjusted
  clause other: scoring_unit.score when not adjusted
rule either for available_score: points[0..200]
  cites "42 CFR 414.1405"
  clause either: first_known(doubled, given) always
rule with_extra for available_score: points[0..110]
  cites "42 CFR 414.1405"
  clause with_extra: scoring_unit.score + scoring_unit.extra always
rule of_program for available_score: ratio[0..3]
  cites "42 CFR 414.1405"
  clause of_program: program.factor always
rule weighed for note: points[0..200]
  cites "42 CFR 414.1405"
  clause weighed: doubled * weight always
rule clinicians for scoring_unit: count[0..100000]
  cites "42 CFR 414.1405"
  clause clinicians: count(clinician) always
rule highest for tin_npi: points[0..200]
  cites "42 CFR 414.1405"
  clause highest:
    greatest(either over available_score where clinician.npi == tin_npi.id, empty gives 7 points)
    always
select first_of from available_score
  cites "42 CFR 414.1405"
  where adjusted
  best 1
  by doubled descending
  ties by kind
"""
PATH = ("1", "individual")


def record(above: Record, entity: str, **facts: object) -> Record:
    values = {
        name: Given(Fraction(value) if isinstance(value, int) and value not in (True, False)
                    else value, "test")  # type: ignore[arg-type]
        for name, value in facts.items()
    }  # fmt: skip
    return above.add(entity, values)


@pytest.fixture
def rules() -> Small:
    return small(RULES)


def nation(first: str) -> tuple[Case, dict[str, Record]]:
    """TIN a (40 points, clinicians 1 and 2), TIN b (30 points, clinician 1), and the scores of
    clinician 1: alone under a, with b, and in a virtual group that is not at hand. What is below
    the program stands with `first` in front: it makes no difference."""
    root = Record("program", {"factor": Given(Fraction(2), "test")})
    root.children[first] = []
    a = record(root, "scoring_unit", tin="a", score=40)
    b = record(root, "scoring_unit", tin="b", score=30, extra=5)
    made = {
        "a1": record(a, "clinician", npi="1", eligible=True),
        "a2": record(a, "clinician", npi="2"),
        "b1": record(b, "clinician", npi="1", eligible=False),
    }
    one = record(root, "tin_npi", id="1")
    for kind, target in (("individual", "a1"), ("group", "b1"), ("virtual_group", "")):
        made[kind] = record(one, "available_score", kind=kind)
        made[kind].refers = made.get(target)
    record(made["group"], "note", id="n", weight=True)
    made["group"].children["note"][0].facts["weight"] = Given(Fraction(1, 2), "test")
    return Case(root, {"case": "test"}, ""), made


def values(evaluation: Evaluation, rule: str) -> list[Known]:
    return [d.values[""] for (name, _), d in evaluation.decisions.items() if name == rule]


@pytest.mark.parametrize("first", ["scoring_unit", "tin_npi"])
def test_outcomes_and_facts_of_what_is_referred_to(rules: Small, first: str) -> None:
    case, _ = nation(first)
    found = rules.evaluator.evaluate(case)
    # Clinician 1 under TIN a is eligible: twice 40; under TIN b is not: 30.
    alone, group, other = values(found, "read")
    assert (alone, group) == (80, 30)
    assert needs(other) == {"available_score[1,virtual_group].clinician"}
    # A fact that is unknown there is unknown; one of an entity above both is read as ever.
    extra = values(found, "with_extra")
    assert needs(extra[0]) == {"scoring_unit[a].extra"} and extra[1] == 35
    assert needs(extra[2]) == {"available_score[1,virtual_group].clinician"}
    assert values(found, "of_program") == [2, 2, 2]
    # What stands below reads it too: half of twice 30.
    assert values(found, "weighed") == [30]


def test_nothing_is_counted_through_references(rules: Small) -> None:
    case, _ = nation("tin_npi")
    assert values(rules.evaluator.evaluate(case), "clinicians") == [2, 1]


def test_what_points_at_nothing(rules: Small) -> None:
    case, made = nation("scoring_unit")
    only = rules.evaluator.evaluate(case)
    assert needs(values(only, "highest")[0]) == {"available_score[1,virtual_group].clinician"}
    # The given score stands where nothing is pointed at; which NPI it is stays open.
    made["virtual_group"].facts["given"] = Given(Fraction(70), "test")
    again = rules.evaluator.evaluate(case)
    assert values(again, "either") == [80, 60, 70]
    assert needs(values(again, "highest")[0]) == {"available_score[1,virtual_group].clinician"}
    made["virtual_group"].refers = made["a2"]
    # 80 and 60 of NPI 1, and 80 of NPI 2 that is not counted.
    assert values(rules.evaluator.evaluate(case), "highest") == [80]


def test_the_keys_of_a_choice_are_read_through_references(rules: Small) -> None:
    case, made = nation("scoring_unit")
    made["virtual_group"].refers = made["a2"]
    found = rules.evaluator.evaluate(case)
    # Whether clinician 2 is eligible is open, so that the choice is.
    first, group, _ = values(found, "first_of")
    assert needs(first) == {"clinician[a,2].eligible"} and group is False
    made["a2"].facts["eligible"] = Given(True, "test")
    assert values(rules.evaluator.evaluate(case), "first_of") == [True, False, False]


def test_traces_end_at_what_is_referred_to(rules: Small) -> None:
    case, _ = nation("tin_npi")
    found = rules.evaluator.evaluate(case)
    shown = trace(rules.evaluator, found, OutcomeName("read", ("1", "group")))
    by_name = {one["outcome"]: one for one in shown["outcomes"]}
    entry = by_name["read[1,group]"]
    assert [one["name"] for one in entry["facts"]] == ["scoring_unit[b].score"]
    assert "adjusted[b,1]" in entry["reads"] and "adjusted[b,1]" in by_name
    shown = trace(rules.evaluator, found, OutcomeName("read", ("1", "virtual_group")))
    (entry,) = shown["outcomes"]
    name = "available_score[1,virtual_group].clinician"
    assert entry["facts"] == [{"name": name, "text": "points at no record"}]
    assert entry["values"][""]["needs"] == [name]


def test_generated_records_point_at_records_of_their_case_or_at_none(rules: Small) -> None:
    generator = Generator(rules.evaluator.program, {})
    pointed, nowhere = 0, 0
    for seed in range(200):
        case = generator.case(f"references:{seed}")
        there = set(case.root.walk())
        for one in there:
            if one.entity != "available_score":
                assert one.refers is None
            elif one.refers is None:
                nowhere += 1
            else:
                pointed += 1
                assert one.refers.entity == "clinician" and one.refers in there
        rules.evaluator.evaluate(case)
    assert pointed > 50 and nowhere > 20


def test_smaller_cases_keep_their_references(rules: Small) -> None:
    case, _ = nation("scoring_unit")
    assert "clinician: scoring_unit 2 / clinician 1" in case_text(case, rules.evaluator.program)
    for candidate in smaller(case, rules.evaluator.program):
        there = set(candidate.root.walk())
        assert all(one.refers is None or one.refers in there for one in there)
    # All that is needed for the group's 30 points is a clinician who is not eligible.
    small_case = shrink(case, rules.evaluator.program, lambda it: _gives(rules, it, 30))
    left = [one.entity for one in small_case.root.walk()]
    assert left == ["program", "scoring_unit", "clinician", "tin_npi", "available_score"]


def _gives(rules: Small, case: Case, value: int) -> bool:
    return Fraction(value) in values(rules.evaluator.evaluate(case), "read")


def test_of_two_references_that_point_at_nothing_the_one_that_would_lead_there_is_needed() -> None:
    """A unit points at a model, each of its parts at a deal: for what a deal came to, the model of
    the unit is not needed."""
    rules = small("""entity program
entity model of program
  key id: code
fact model.good: yes_no required
entity deal of program
  key id: code
fact deal.signed: yes_no required
entity unit of program refers to model
  key id: code
entity part of unit refers to deal
  key id: code
rule settled for deal: yes_no
  cites "42 CFR 414.1405"
  clause settled: signed always
rule of_deal for part: yes_no
  cites "42 CFR 414.1405"
  clause of_deal: settled always
rule of_fact for part: yes_no
  cites "42 CFR 414.1405"
  clause of_fact: deal.signed always
""")
    root = Record("program", {})
    record(record(root, "unit", id="u"), "part", id="p")
    found = rules.evaluator.evaluate(Case(root, {"case": "test"}, ""))
    for rule in ("of_deal", "of_fact"):
        assert needs(values(found, rule)[0]) == {"part[u,p].deal"}
