"""Small programs in the rule language, made in memory."""

from __future__ import annotations

from pathlib import Path

from finalrule.core import ir
from finalrule.core.compile import compile_policy
from finalrule.policy.resolve import load_policy
from finalrule.source import Source

YEAR = """policy: 2020-final
title: A small policy
performance_year: 2020
payment_year: 2022
stage: final
tracks: [mips]
published:
  title: A rule
  date: 2019-11-15
  cite: 84 FR 63194
"""

# Three criteria in each segment, of which each may be unknown; a status of the clinicians; how the
# unit comes out of both. `limit` is a figure, so that the thresholds are constants of the policy.
ELIGIBILITY = """
module mips.small
type volume: one of {included, may_opt_in, excluded}
entity unit
  describe "A unit"
entity segment of unit
  describe "A segment"
  key segment: one of {first, second}
entity clinician of unit
  describe "A clinician"
  key npi: code
fact segment.charges: usd[0..1000000]
  may be unknown
  describe "Charges"
fact segment.patients: count[0..10000]
  may be unknown
  describe "Patients"
fact clinician.first_day: date
  may be unknown
  describe "First day"
fact clinician.stated_new: yes_no
  may be unknown
  describe "Whether someone says that the clinician is new"
fact unit.elects: one of {opts_in, no_election}
  absent means no_election cites "42 CFR 414.1310"
  describe "Election"
fact unit.reported: percent[0..100] exact
  required
  describe "Some share"
parameter limit.charges: usd[0..1000000]
  describe "Charges"
parameter limit.patients: count[0..10000]
  describe "Patients"
parameter limit.share: percent[0..100]
  describe "Share"
parameter year.from: date
  describe "First day"

rule segment_volume for segment: volume
  cites "42 CFR 414.1305"
  let over_charges = charges > params.limit.charges
  let over_patients = patients > params.limit.patients
  clause both: included when over_charges and over_patients
  clause one: may_opt_in when over_charges != over_patients
  clause neither: excluded when none of (over_charges, over_patients)

rule is_new for clinician: yes_no
  cites "42 CFR 414.1305"
  let new = first_known(first_day >= params.year.from, stated_new)
  clause new: yes when new
  clause old: no when not new

rule enough for unit: yes_no
  cites "42 CFR 414.1305"
  clause enough: yes when reported >= params.limit.share
  clause too_little: no otherwise

rule volume_status for unit: volume
  cites "42 CFR 414.1310"
  let below = any(segment where segment_volume is excluded)
  let between = any(segment where segment_volume is may_opt_in)
  clause excluded: excluded when below
  clause may_opt_in: may_opt_in when between and not below
  clause included: included otherwise

rule status for unit: one of {in, out, elected}
  cites "42 CFR 414.1310"
  let only_new = every(clinician where is_new)
  let elects_in = volume_status is may_opt_in and elects is opts_in
  clause new: out when only_new and not enough
  clause in: in when not only_new and enough and volume_status is included
  clause elected: elected when not only_new and enough and elects_in
  clause out: out otherwise

rule counts for clinician: yes_no
  cites "42 CFR 414.1310"
  clause counts: not is_new when status is not out
  clause does_not: no when status is out
"""

FIGURES = """
parameters:
  limit.charges: {value: "$90,000", unit: usd, cite: 42 CFR 414.1305}
  limit.patients: {value: 200, unit: count, cite: 42 CFR 414.1305}
  limit.share: {value: 75%, unit: percent, cite: 42 CFR 414.1305}
  year.from: {value: 2020-01-01, unit: date, cite: 42 CFR 414.1305}
"""


def program_of(folder: Path, rules: str, figures: str = "parameters: {}\n") -> ir.Program:
    """The rules compiled under a policy of these figures, read from a year file in `folder`."""
    year = folder / "2020" / "final.yaml"
    year.parent.mkdir(parents=True, exist_ok=True)
    year.write_text(YEAR + figures, encoding="utf-8")
    (folder / "sources.yaml").write_text("{}\n", encoding="utf-8")
    return compile_policy(load_policy(year, folder), [Source("small.rules", rules)]).program


UNIT = """entity unit
  describe "A unit"
"""


def two_clauses(
    folder: Path, low: str, high: str, type_: str = "count[0..100]", of: str = "unit",
    entities: str = UNIT,
) -> ir.Program:  # fmt: skip
    """A program of one rule: no where `low` holds, a condition on the facts `a` and `b` of an
    entity, and yes where `high` does."""
    return program_of(folder, f"""
module mips.two_clauses
{entities}fact {of}.a: {type_}
  required
  describe "A"
fact {of}.b: {type_}
  required
  describe "B"
rule decided for {of}: yes_no
  cites "42 CFR 414.1305"
  clause low: no when {low}
  clause high: yes when {high}
""")  # fmt: skip


# Codes, a catalogue, tables with ranges and a domain, outcomes of tables, numbers and selections in
# conditions: what stands in a record's fact and what is computed before it.
KINDS = """
module mips.kinds
type grade: one of {high, low, none}
entity unit
  describe "A unit"
entity item of unit
  describe "An item"
  key code: code
fact item.amount: count[0..100]
  required
  describe "Amount"
fact item.late: yes_no
  may be unknown
  describe "Late"
fact unit.size: days[-5..20]
  may be unknown
  describe "Size, which may be negative"
fact unit.color: one of {red, green, blue}
  may be unknown
  describe "Color"
catalogue inventory by (code: code)
  describe "What there is"
  field grade: grade
parameter listed.codes: codes
  describe "Listed codes"

rule listed_item for item: yes_no
  cites "42 CFR 414.1305"
  let stated = code in params.listed.codes
  clause stated: yes when stated
  clause single: yes when code == "Z" and not stated
  clause other: no otherwise

rule item_grade for item: grade
  cites "42 CFR 414.1305"
  let found = lookup(inventory.grade by (code), none gives none)
  clause high: high when found is high and not late
  clause late: low when found is high and late
  clause low: low when found is low
  clause none: none when found is none

select best_item from item
  cites "42 CFR 414.1305"
  where listed_item
  best 1
  by amount descending
  ties by code

rule points for item: points[0..10]
  cites "42 CFR 414.1305"
  clause high: 10 points when item_grade is high
  clause low: 5 points when item_grade is low
  clause none: 0 points otherwise

rule counted for item: yes_no
  cites "42 CFR 414.1305"
  clause counted: yes when best_item and points >= 5 points
  clause not_counted: no otherwise

table decision for unit
  cites "42 CFR 414.1305"
  given known: yes_no = any(item where listed_item)
  given length: days[-5..20] = size
  given shade: one of {red, green, blue} = color
  where known or shade is red
  outside gives no, none
  gives accepted: yes_no
  gives result: grade

rule final for unit: one of {yes_high, yes_other, rejected, odd}
  cites "42 CFR 414.1305"
  let three = at least 2 of (decision.accepted, size != 4 days, color in {red, blue})
  clause yes_high: yes_high when decision.accepted and decision.result is high
  clause yes_other: yes_other when decision.accepted and decision.result is not high and three
  clause odd: odd when decision.accepted and decision.result is not high and not three
  clause rejected: rejected when not decision.accepted
"""

KIND_FIGURES = """
parameters:
  listed.codes: {value: [A, B], unit: codes, cite: 42 CFR 414.1305}
tables:
  decision:
    cite: 42 CFR 414.1305
    rows:
      short_red: {known: any, length: "< 0", shade: red, accepted: yes, result: high}
      long_red: {known: any, length: ">= 0", shade: red, accepted: yes, result: low}
      short_green: {known: yes, length: "<= 3", shade: green, accepted: no, result: none}
      long_green: {known: yes, length: "> 3", shade: green, accepted: yes, result: low}
      blue: {known: any, length: any, shade: blue, accepted: yes, result: none}
catalogues:
  inventory: {path: measures/inventory.csv, cite: 42 CFR 414.1305}
"""
INVENTORY = "code,grade\nA,high\nB,low\nC,high\nZ,none\n"

# Outcomes, facts and codes of a record that another one points at, or does not.
REFERENCES = """
module mips.references
type volume: one of {included, may_opt_in, excluded}
entity program
  describe "All"
entity unit of program
  describe "A unit"
  key tin: code
entity clinician of unit
  describe "A clinician"
  key npi: code
entity holder of program
  describe "Who has scores"
entity score of holder refers to clinician
  describe "A score"
  key kind: one of {individual, group}
fact unit.volume: volume
  may be unknown
  describe "Volume"
fact unit.patients: count[0..1000]
  may be unknown
  describe "Patients"
fact clinician.specialty: code
  may be unknown
  describe "Specialty"
fact score.stated: yes_no
  may be unknown
  describe "Stated"

rule large for unit: yes_no
  cites "42 CFR 414.1305"
  clause large: patients > 200 always

rule physician for clinician: yes_no
  cites "42 CFR 414.1305"
  clause physician: clinician.specialty in {"01", "02"} always

rule standing for score: one of {counts, voluntary, unclear}
  cites "42 CFR 414.1305"
  clause counts: counts when physician and large and unit.volume is included
  clause voluntary: voluntary when first_known(not physician, stated)
    and unit.volume in {may_opt_in, excluded}
  clause unclear: unclear otherwise

rule coded for score: yes_no
  cites "42 CFR 414.1305"
  clause coded: clinician.specialty == "02" and unit.patients >= 100 when stated
  clause not_coded: no when not stated

rule any_counts for holder: yes_no
  cites "42 CFR 414.1305"
  clause any_counts: any(score where standing is counts) always
"""
