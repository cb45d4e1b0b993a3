"""Rows that are not taken: each reason, what goes with them, and how many are too many."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from finalrule.tables.rejected import REASONS
from tables.conftest import NPIS, Tables

RATES = "has_performance_rate, performance_rate, has_reporting_rate, reporting_rate, case_count"
YEAR = "performance_start, performance_end"
PAIRS = (
    "tin|measure_id|collection_type|performance_start|performance_end|has_performance_rate"
    "|performance_rate_numerator|performance_rate_denominator|has_reporting_rate|reporting_rate"
    "|case_count"
)


def only(tables: Tables, columns: str = 'reason, "column", "value"') -> object:
    """The one rejected row."""
    (found,) = tables.rejected(columns)
    assert isinstance(found, tuple)
    return found


# --- cells ---------------------------------------------------------------------------------------

BAD_CELLS = [
    ("quality_given", "maybe", "value_form"),
    ("quality_given", "1", "value_form"),
    ("given_quality_score", "ninety", "value_form"),
    ("given_quality_score", "1e1", "value_form"),
    ("given_quality_score", "$90", "value_form"),
    ("given_quality_score", "-1", "value_domain"),
    ("given_quality_score", "100.000001", "value_domain"),
    ("given_quality_score", "9" * 60, "value_domain"),
    ("given_quality_score", "99.1234567", "value_places"),
    ("applicable_measures", "-1", "value_domain"),
    ("applicable_measures", "2.5", "value_places"),
    ("applicable_measures", "1001", "value_domain"),
    ("medical_home_site_share", "33.3333333333", "value_places"),
    ("medical_home_site_share", "100.5", "value_domain"),
    ("opt_in_election", "opted", "value_member"),
    ("opt_in_election", "Opted_In", "value_member"),
    ("joined_practice_on", "01/02/2020", "value_form"),
    ("joined_practice_on", "2020-02-30", "value_form"),
]
# 45 % with six places is 45000000; 2020-02-29 is 59 days after day 18262; voluntary is the second
# member.
GOOD_CELLS: list[tuple[str, str, object]] = [
    ("quality_given", "TRUE", True),
    ("quality_given", "no", False),
    ("given_quality_score", "100", 100_000_000),
    ("given_quality_score", "0", 0),
    ("given_quality_score", "0.000001", 1),
    ("given_quality_score", "45.50000000000", 45_500_000),
    ("average_hcc_risk_score", "1.25", 1_250_000),
    ("applicable_measures", "006", 6),
    ("joined_practice_on", "2020-02-29", 18_321),
    ("opt_in_election", "voluntary", 1),
]
COLUMNS = sorted({column for column, *_ in BAD_CELLS} | {column for column, *_ in GOOD_CELLS})


def practices_with(cells: Sequence[tuple[str, str, object]]) -> str:
    """One practice for each cell, by TIN in the order of the cells."""
    lines = ["|".join(["tin", *COLUMNS])]
    for at, (column, cell, _) in enumerate(cells):
        row = {"tin": f"{at:09}", column: cell}
        lines.append("|".join(row.get(name, "") for name in ["tin", *COLUMNS]))
    return "\n".join(lines)


def test_cells_that_are_not_taken(tables: Tables) -> None:
    tables.write(
        practices=practices_with(BAD_CELLS) + "\n987654321" + "|" * len(COLUMNS),
        clinicians=f"tin | npi\n987654321 | {NPIS[0]}",
    ).read()
    assert tables.rejected('"row", "column", "value", reason') == [
        (at, column, cell, reason) for at, (column, cell, reason) in enumerate(BAD_CELLS, 1)
    ]
    assert tables.rows("unit_names", "tin, npi") == [("987654321", NPIS[0]), ("987654321", None)]


def test_cells_that_are_taken(tables: Tables) -> None:
    tables.write(
        practices=practices_with(GOOD_CELLS), clinicians=f"tin | npi\n000000000 | {NPIS[0]}"
    )
    assert tables.read().rejected == {}
    # Unit 1 is the one clinician, of the first practice.
    found = [
        tables.rows("scoring_unit", f'"{column}"', "id")[0 if at == 0 else at + 1][0]
        for at, (column, *_) in enumerate(GOOD_CELLS)
    ]
    assert found == [value for _, _, value in GOOD_CELLS]


# --- identifiers ---------------------------------------------------------------------------------


def test_clinicians_that_are_not_taken(tables: Tables) -> None:
    rows = {
        " | ": ("value_missing", "tin", None),
        "123456789 | ": ("value_missing", "npi", None),
        "12345678 | 1234567893": ("identifier_form", "tin", "12345678"),
        "12345678x | 1234567893": ("identifier_form", "tin", "12345678x"),
        "123456789 | 12345678931": ("identifier_form", "npi", "12345678931"),
        "123456789 | 1234567894": ("npi_check_digit", "npi", "1234567894"),
        "555555555 | 1234567893": ("unit_unknown", "tin", "555555555"),
    }
    tables.write(
        practices="tin\n123456789",
        clinicians="\n".join(["tin | npi", f"123456789 | {NPIS[1]}", *rows]),
    ).read()
    assert tables.rejected('reason, "column", "value"') == list(rows.values())


def test_a_practice_without_a_tin(tables: Tables) -> None:
    tables.write(
        practices="tin | quality_given\n | yes\n123456789 | no",
        clinicians=f"tin | npi\n123456789 | {NPIS[0]}",
    ).read()
    assert only(tables) == ("value_missing", "tin", None)


def test_under_a_test_tin_a_check_digit_is_a_warning(tables: Tables) -> None:
    tables.write(
        practices="tin\n000456789",
        clinicians=f"tin | npi\n000456789 | 1234567894\n000456789 | {NPIS[0]}",
    )
    read = tables.read()
    assert read.rejected == {}
    assert [(note.code, note.message) for note in read.notes] == [
        ("npi-check-digit",
         "1 row has an NPI whose last digit does not check the others, under a test TIN (000...)")
    ]  # fmt: skip


def test_records_of_nobody(two_practices: Tables) -> None:
    rows = {
        "123456789 | | V1": ("unit_ambiguous", "entity_id", "V1"),
        f" | {NPIS[0]} | V1": ("unit_ambiguous", "entity_id", "V1"),
        " | | ": ("value_missing", "tin", None),
        f" | {NPIS[0]} | ": ("value_missing", "tin", None),
        "1234 | | ": ("identifier_form", "tin", "1234"),
        "123456789 | 12 | ": ("identifier_form", "npi", "12"),
        f"123456789 | {NPIS[3]} | ": ("unit_unknown", "tin", NPIS[3]),
        f"987654321 | {NPIS[0]} | ": ("unit_unknown", "tin", NPIS[0]),
        "555555555 | | ": ("unit_unknown", "tin", "555555555"),
        " | | V2": ("unit_unknown", "tin", "V2"),
    }
    lines = [f"{row} | first" for row in rows]
    two_practices.write(
        entities="entity_id | kind\nV1 | virtual_group",
        segments="\n".join(["tin | npi | entity_id | segment", *lines, " | | V1 | first"]),
    ).read()
    assert two_practices.rejected('reason, "column", "value"') == list(rows.values())
    assert two_practices.rows("segment", "id, scoring_unit_id") == [(10, 5)]


def test_members_of_nothing(two_practices: Tables) -> None:
    rows = {
        f"V2 | 123456789 | {NPIS[0]}": ("unit_unknown", "entity_id", "V2"),
        f" | 123456789 | {NPIS[0]}": ("value_missing", "entity_id", None),
        f"V1 | 987654321 | {NPIS[0]}": ("unit_unknown", "npi", NPIS[0]),
        "V1 | 123456789 | ": ("value_missing", "npi", None),
    }
    two_practices.write(
        entities="entity_id | kind\nV1 | virtual_group",
        members="\n".join(["entity_id | tin | npi", *rows]),
    ).read()
    assert two_practices.rejected('reason, "column", "value"') == list(rows.values())


def test_entities_that_are_not_taken(two_practices: Tables) -> None:
    rows = {
        "A1 | | ": ("value_missing", "kind", None),
        "A2 | group | ": ("value_member", "kind", "group"),
        " | apm_entity | ": ("value_missing", "entity_id", None),
        "A3 | apm_entity | 101": ("value_domain", "given_quality_score", "101"),
    }
    two_practices.write(
        entities="\n".join(["entity_id | kind | given_quality_score", *rows])
    ).read()
    assert two_practices.rejected('reason, "column", "value"') == list(rows.values())


# --- records -------------------------------------------------------------------------------------


def test_measure_results_that_are_not_taken(two_practices: Tables) -> None:
    header = f"tin, measure_id, collection_type, {YEAR}, {RATES}".replace(", ", "|")
    whole = "2020-01-01|2020-12-31"
    rows = {
        f"|ecqm|{whole}|yes|50|yes|90|20": ("value_missing", "measure_id", None),
        f"236||{whole}|yes|50|yes|90|20": ("value_missing", "collection_type", None),
        f"236|fax|{whole}|yes|50|yes|90|20": ("value_member", "collection_type", "fax"),
        f"9999|ecqm|{whole}|yes|50|yes|90|20": ("measure_unknown", "measure_id", "9999 ecqm"),
        f"236|cahps|{whole}|yes|50|yes|90|20": ("measure_unknown", "measure_id", "236 cahps"),
        f"236|ecqm|{whole}|yes||yes|90|20": ("value_missing", "performance_rate", None),
        "236|ecqm|2019-12-31|2020-12-31|yes|50|yes|90|20":
            ("period_outside_year", "performance_start", "2019-12-31"),
        "236|ecqm|2020-01-01|2021-01-01|yes|50|yes|90|20":
            ("period_outside_year", "performance_end", "2021-01-01"),
        "236|ecqm|2020-06-01|2020-05-31|yes|50|yes|90|20":
            ("period_reversed", "performance_start", "2020-06-01 to 2020-05-31"),
        f"236|ecqm|{whole}|yes|50|yes|90|-1": ("value_domain", "case_count", "-1"),
        f"236|ecqm|{whole}|yes|50|yes|90.1234567891|20":
            ("value_places", "reporting_rate", "90.1234567891"),
    }  # fmt: skip
    good = f"123456789|236|mips_cqm|{whole}|yes|50|yes|90|20"
    lines = [header, *(f"987654321|{row}" for row in rows), good]
    two_practices.write(measure_results="\n".join(lines)).read()
    assert two_practices.rejected('reason, "column", "value"') == list(rows.values())
    assert two_practices.rows("measure_result", "id, scoring_unit_id") == [(11, 0)]


def test_pairs_that_are_not_taken(two_practices: Tables) -> None:
    numerator, denominator = "performance_rate_numerator", "performance_rate_denominator"
    rows = {
        ("4500", ""): ("pair_incomplete", numerator, "4500/"),
        ("", "60"): ("pair_incomplete", numerator, "/60"),
        ("", ""): ("value_missing", numerator, None),
        ("4500", "0"): ("pair_denominator", denominator, "0"),
        ("4500", "-60"): ("pair_denominator", denominator, "-60"),
        ("4500", "1000000001"): ("pair_denominator", denominator, "1000000001"),
        ("4500.5", "60"): ("value_places", numerator, "4500.5"),
        ("x", "60"): ("value_form", numerator, "x"),
        # a rate goes to 1,000,000
        ("60000001", "60"): ("value_domain", numerator, "60000001/60"),
        ("9" * 30, "60"): ("value_domain", numerator, "9" * 30),
    }
    lines = [f"987654321|236|ecqm|2020-01-01|2020-12-31|yes|{n}|{d}|yes|90|20" for n, d in rows]
    two_practices.write(measure_results="\n".join([PAIRS, *lines])).read()
    assert two_practices.rejected('reason, "column", "value"') == list(rows.values())


def test_the_denominator_of_a_percentage(two_practices: Tables) -> None:
    """It divides by a hundred too, and 10^9 is the greatest divisor."""
    rows = {"10000000": [], "10000001": [("pair_denominator", "reporting_rate_denominator")]}
    both = "|reporting_rate_numerator|reporting_rate_denominator|"
    header = PAIRS.replace("|reporting_rate|", both)
    for denominator, wanted in rows.items():
        row = f"123456789|236|ecqm|2020-01-01|2020-12-31|yes|45|60|yes|90|{denominator}|20"
        two_practices.write(measure_results=f"{header}\n{row}").read()
        assert two_practices.rejected('reason, "column"') == wanted


def test_the_largest_pair(two_practices: Tables) -> None:
    row = "123456789|236|ecqm|2020-01-01|2020-12-31|yes|-1000000000000000|1000000000|yes|90|20"
    two_practices.write(measure_results=f"{PAIRS}\n{row}").read()
    assert two_practices.rows("measure_result", "performance_rate__n, performance_rate__d") == [
        (-(10**15), 10**9)
    ]


def test_a_numerator_above_its_denominator(two_practices: Tables) -> None:
    two_practices.write(
        interoperability="tin|submission_method|performance_start|performance_end|has_cehrt_id\n"
        "123456789|registry|2020-01-01|2020-12-31|yes",
        interoperability_measures="tin|submission_method|measure_id|reported|is_proportion"
        "|numerator|denominator\n123456789|registry|PI_EP_1|yes|yes|11|10",
    ).read()
    assert only(two_practices) == ("numerator_above_denominator", "numerator", "11/10")


# --- what goes with a row ------------------------------------------------------------------------


def test_a_row_takes_along_what_is_below_it(tables: Tables) -> None:
    tables.write(
        practices="tin | given_quality_score\n123456789 | 101\n987654321 | 100",
        clinicians=f"tin | npi\n123456789 | {NPIS[0]}\n987654321 | {NPIS[1]}",
        entities="entity_id | kind\nV1 | virtual_group",
        members=f"entity_id | tin | npi\nV1 | 123456789 | {NPIS[0]}\nV1 | 987654321 | {NPIS[1]}",
        segments=f"tin | npi | segment\n123456789 | | first\n123456789 | {NPIS[0]} | first\n"
        f"987654321 | {NPIS[1]} | first",
        clinician_segments=f"tin | npi | segment | services\n123456789 | {NPIS[0]} | first | 1\n"
        f"987654321 | {NPIS[1]} | first | -1\n987654321 | {NPIS[1]} | second | 1",
        services_by_place="tin | npi | segment | place_of_service | covered_services\n"
        f"123456789 | {NPIS[0]} | first | 21 | 1\n987654321 | {NPIS[1]} | first | 21 | 1\n"
        f"987654321 | {NPIS[1]} | second | 21 | 1",
    )
    read = tables.read()
    assert read.rejected == {
        "practices": {"value_domain": 1},
        "clinicians": {"parent_rejected": 1},
        "members": {"parent_rejected": 1},
        "segments": {"parent_rejected": 2},
        "clinician_segments": {"parent_rejected": 1, "value_domain": 1},
        "services_by_place": {"parent_rejected": 2},
    }
    assert read.counts["services_by_place"] == 3  # individual, group and virtual group
    assert read.counts["clinician"] == 3


def test_a_record_without_the_one_above_it(two_practices: Tables) -> None:
    two_practices.write(
        interoperability_measures="tin|submission_method|measure_id|reported|is_proportion"
        "|numerator|denominator\n123456789|registry|PI_EP_1|yes|yes|1|10",
        interoperability="tin|submission_method|performance_start|performance_end|has_cehrt_id\n"
        "123456789|electronicHealthRecord|2020-01-01|2020-12-31|yes\n"
        "987654321|registry|2020-01-01|2020-12-31|yes",
    ).read()
    assert only(two_practices) == ("parent_unknown", "submission_method", "registry")


def test_a_record_without_the_table_above_it(two_practices: Tables) -> None:
    two_practices.write(
        interoperability_measures="tin|submission_method|measure_id|reported|is_proportion"
        "|numerator|denominator\n123456789|registry|PI_EP_1|yes|yes|1|10"
    ).read()
    assert only(two_practices) == ("parent_unknown", "submission_method", "registry")


def test_the_same_submission_of_another_unit_is_not_the_parent(two_practices: Tables) -> None:
    """That the second practice's set was rejected says nothing of the first's, which has none."""
    two_practices.write(
        interoperability="tin|submission_method|performance_start|performance_end|has_cehrt_id\n"
        "987654321|registry|2019-01-01|2020-12-31|yes",
        interoperability_measures="tin|submission_method|measure_id|reported|is_proportion"
        "|numerator|denominator\n123456789|registry|PI_EP_1|yes|yes|1|10\n"
        "987654321|registry|PI_EP_1|yes|yes|1|10",
    ).read()
    assert two_practices.rejected('"table", "row", reason') == [
        ("interoperability", 1, "period_outside_year"),
        ("interoperability_measures", 1, "parent_unknown"),
        ("interoperability_measures", 2, "parent_rejected"),
    ]


# --- keys ----------------------------------------------------------------------------------------


def test_all_rows_of_a_key_are_rejected(tables: Tables) -> None:
    tables.write(
        practices="tin | quality_given\n123456789 | yes\n987654321 |\n123456789 | no",
        clinicians=f"tin | npi\n123456789 | {NPIS[0]}\n987654321 | {NPIS[1]}\n"
        f"987654321 | {NPIS[2]}\n987654321 | {NPIS[1]}",
        activities="tin | activity_id | completed | performance_start | performance_end\n"
        "987654321 | IA_AHE_1 | yes | 2020-01-01 | 2020-12-31\n"
        "987654321 | IA_AHE_3 | yes | 2020-01-01 | 2020-12-31\n"
        "987654321 | IA_AHE_1 | no | 2020-01-01 | 2020-12-31",
        clinician_segments=f"tin | npi | segment | services\n987654321 | {NPIS[2]} | first | 1\n"
        f"987654321 | {NPIS[2]} | second | 2\n987654321 | {NPIS[2]} | first | 3",
    ).read()
    first, second = "activity_id=IA_AHE_1", "segment=first"
    assert tables.rejected('"table", "row", tin, npi, "key", reason') == [
        ("activities", 1, "987654321", None, first, "duplicate_key"),
        ("activities", 3, "987654321", None, first, "duplicate_key"),
        ("clinician_segments", 1, "987654321", NPIS[2], second, "duplicate_key"),
        ("clinician_segments", 3, "987654321", NPIS[2], second, "duplicate_key"),
        ("clinicians", 1, "123456789", NPIS[0], None, "parent_rejected"),
        ("clinicians", 2, "987654321", NPIS[1], None, "duplicate_key"),
        ("clinicians", 4, "987654321", NPIS[1], None, "duplicate_key"),
        ("practices", 1, "123456789", None, None, "duplicate_key"),
        ("practices", 3, "123456789", None, None, "duplicate_key"),
    ]
    assert tables.rows("activity", "id, activity_id") == [(1, "IA_AHE_3")]
    assert tables.rows("clinician_segment", "id, services") == [(2, 2), (3, 2)]


def test_one_measure_in_two_collection_types_is_two_results(two_practices: Tables) -> None:
    header = f"tin, measure_id, collection_type, {YEAR}, {RATES}".replace(", ", "|")
    row = "123456789|236|{}|2020-01-01|2020-12-31|yes|50|yes|90|20"
    two_practices.write(
        measure_results="\n".join([header, row.format("ecqm"), row.format("mips_cqm")])
    )
    assert two_practices.read().rejected == {}


# --- how many ------------------------------------------------------------------------------------


def test_too_many_rejected_rows_are_an_error_with_their_reasons(two_practices: Tables) -> None:
    two_practices.write(
        segments="tin | segment | patients\n123456789 | first | -1\n987654321 | first | 5\n"
        "987654321 | second | 1.5\n987654321 | third | 5"
    )
    (finding,) = two_practices.failure(Fraction(1, 100))
    assert finding.code == "tables-rejected"
    assert finding.message == ("3 of the 4 rows of `segments` are rejected, more than 1 %")
    assert [label.text for label in finding.labels] == [
        "1 value_domain: outside the bounds that are declared",
        "1 value_member: not a member of the enumeration",
        "1 value_places: more decimal places than are declared",
        "each row of them",
    ]
    facts = two_practices.work / "facts"
    assert [path.name for path in facts.iterdir()] == ["rejected.parquet"]
    assert two_practices.rejected('"row"') == [(1,), (3,), (4,)]


def test_as_many_as_the_limit_are_none_too_many(two_practices: Tables) -> None:
    two_practices.write(
        segments="tin | segment | patients\n123456789 | first | -1\n987654321 | first | 5"
    )
    assert two_practices.read(Fraction(1, 2)).rejected == {"segments": {"value_domain": 1}}


def test_every_reason_has_its_test() -> None:
    written = Path(__file__).read_text("utf-8")
    assert [reason for reason in REASONS if f'"{reason}"' not in written] == []
