"""Files of cost results: CSV and JSON, one error for each fault."""

from __future__ import annotations

from fractions import Fraction

import pytest

from facts.documents import (
    NPI,
    OTHER_NPI,
    TIN,
    Json,
    Read,
    a_set,
    group,
    measured,
    pointer,
    submission,
)

SUBMISSION = submission(a_set("ia", "registry", measured("IA_EPA_4", True)))
GROUP = group(a_set("ia", "registry", measured("IA_EPA_4", True)))
HEADER = "tin,npi,measure_id,case_count,cost\n"
ROWS: Json = [
    {"tin": TIN, "npi": NPI, "measure_id": "TPCC_1", "case_count": 25, "cost": 12345.678901},
    {"tin": TIN, "npi": NPI, "measure_id": "MSPB_1", "case_count": 35, "cost": 20000},
]
TABLE = HEADER + f"{TIN},{NPI},TPCC_1,25,12345.678901\n{TIN},{NPI},MSPB_1,35,20000\n"


@pytest.mark.parametrize("cost", [ROWS, TABLE, TABLE.replace("20000", '"$20,000"'),
                                  "\ufeff" + TABLE.replace("\n", "\r\n")])  # fmt: skip
def test_csv_and_json_say_the_same(read: Read, cost: Json) -> None:
    cost = cost.replace("$", "") if isinstance(cost, str) else cost
    found = read(SUBMISSION, cost=[cost])
    assert {
        record["measure_id"]: (record["case_count"], record["cost"])
        for record in found.records("cost_result")
    } == {"TPCC_1": (25, Fraction(12345678901, 1000000)), "MSPB_1": (35, 20000)}
    assert found.case.facts_digest == read(SUBMISSION, cost=[ROWS]).case.facts_digest


def test_where_a_result_came_from(read: Read) -> None:
    found = read(SUBMISSION, cost=[TABLE])
    # MSPB_1 comes first in the case, and stands in line 3 of the file.
    assert found.origin("cost_result", "cost").endswith("cost0.csv#/3/cost")


def test_individuals_and_groups_have_their_own_results(read: Read) -> None:
    table = HEADER + f"{TIN},{NPI},TPCC_1,25,100\n{TIN},,TPCC_1,250,90\n"
    found = read(SUBMISSION, GROUP, cost=[table])
    counts = [
        record.facts["case_count"].value
        for case in found.cases
        for record in case.root.walk()
        if record.entity == "cost_result"
    ]
    assert counts == [250, 25]  # the group comes first


@pytest.mark.parametrize(
    ("row", "code", "at", "words"),
    [
        (f"{TIN},{NPI},TPCC_9,25,1", "measure-unknown", "/2/measure_id", "did you mean `TPCC_1`?"),
        (f"{TIN},{NPI},TPCC_1,,1", "json-missing-key", "/2", "`case_count` is missing"),
        (f"{TIN},{NPI},TPCC_1,many,1", "json-wrong-type", "/2/case_count", "it is `many`"),
        (f"{TIN},{NPI},TPCC_1,2.5,1", "value-out-of-bounds", "/2/case_count", "0 decimal places"),
        (f"{TIN},{NPI},TPCC_1,25,-1", "value-out-of-bounds", "/2/cost", "must be of rate[0.."),
        (f"{TIN},{NPI},TPCC_1,25", "cost-columns", "/2", "line 2 has 4 cells, not 5"),
        (f"1,{NPI},TPCC_1,25,1", "identifier-shape", "/2/tin", "9 digits"),
        (f",{NPI},TPCC_1,25,1", "json-missing-key", "/2", "`tin` is missing"),
        (f"{TIN},1,TPCC_1,25,1", "identifier-shape", "/2/npi", "10 digits"),
        (f"{TIN},{OTHER_NPI},TPCC_1,25,1", "facts-unmatched", "/2", "1 cost result is"),
        (f"{TIN},{NPI},TPCC_1,25,1\n{TIN},{NPI},TPCC_1,25,1", "measure-duplicate", "/3",
         "two results"),
    ],
)  # fmt: skip
def test_one_fault_one_error(read: Read, row: str, code: str, at: str, words: str) -> None:
    found = read(SUBMISSION, cost=[HEADER + row + "\n"])
    assert found.error.code == code
    assert pointer(found.error) == at
    assert words in f"{found.error.message} / {found.error.help}"
    assert NPI not in found.error.render() and TIN not in found.error.render()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("tin,npi,measure,case_count,cost\n", "the header line is not tin,npi,measure_id"),
        (HEADER + f'{TIN},{NPI},"TPCC_1,25,1\n', "is not comma-separated text"),
    ],
)
def test_files_that_are_no_such_table(read: Read, text: str, words: str) -> None:
    found = read(SUBMISSION, cost=[text])
    assert found.error.code == "cost-columns"
    assert words in found.error.message


def test_results_of_others_beside_ones_own_are_told(read: Read) -> None:
    found = read(SUBMISSION, cost=[TABLE + f"{TIN},{OTHER_NPI},TPCC_1,25,1\n"])
    assert found.warning.code == "facts-unmatched"
    assert pointer(found.warning) == "/4"
    assert len(found.records("cost_result")) == 2


def test_json_that_is_no_list_of_rows(read: Read) -> None:
    assert read(SUBMISSION, cost=[{"rows": []}]).error.code == "json-wrong-type"
    assert read(SUBMISSION, cost=[[5]]).error.code == "json-wrong-type"
    assert read(SUBMISSION, cost=[[ROWS[0] | {"costs": 1}]]).error.code == "json-unknown-key"
