"""Every kind of file that `finalrule score` cannot score, and output that cannot be written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result

from cli.scored import ROOT, errors_of, objects, score, the_error, write
from facts.documents import (
    NPI,
    TIN,
    Json,
    a_set,
    changed,
    group,
    measured,
    single,
    submission,
    without,
)  # fmt: skip

# Broken submissions ------------------------------------------------------------------------------

VALID = submission(
    a_set(
        "quality",
        "registry",
        measured("110", single(met=305, not_met=255, eligible=562, exception=2)),
        measured("ACRAD15", {"numerator": 3, "denominator": 100, "observationInstances": 80}),
        measured("AAAAI2", single(met=8, not_met=2, eligible=10) | {"performanceRate": 80.5}),
    ),
    a_set("ia", "registry", measured("IA_EPA_4", True)),
    a_set(
        "pi",
        "registry",
        measured("PI_EP_1", {"numerator": 49, "denominator": 115}),
        measured("PI_PPHI_1", True),
        cehrtId="0015EJR3MPX3HHA",
    ),
)
SET = "/measurementSets/0"
VALUE = f"{SET}/measurements/0/value"
PI_SET = "/measurementSets/2"


def test_the_valid_submission_is_scored(tmp_path: Path) -> None:
    done = score(write(tmp_path, "a.json", VALID), "--format", "json")
    assert done.exit_code == 3  # no facts file, so much is not known
    assert objects(done)[0]["subject"]["tin"] == TIN
    assert "warning" not in done.stderr


# What is broken; where, or the whole document; the value; what the error says; where it is shown.
BROKEN: list[tuple[str, str, Json, str, str]] = [
    ("text for a count", f"{VALUE}/performanceMet", "305",
     "error[json-wrong-type]: `performanceMet` must be a whole number; it is text",
     f"{VALUE}/performanceMet"),
    ("a decimal for a count", f"{VALUE}/performanceMet", 304.5, "it is a decimal",
     f"{VALUE}/performanceMet"),
    ("a number for a measure", f"{SET}/measurements/0/measureId", 110, "must be text; it is a who",
     f"{SET}/measurements/0/measureId"),
    ("counts for a statement", f"{PI_SET}/measurements/1/value", {"numerator": 1, "denominator": 2},
     "must be true or false; it is an object", f"{PI_SET}/measurements/1/value"),
    ("a list for an object", SET, [], "must be an object; it is a list", SET),
    ("a list as document", "", [VALID], "the document must be an object; it is a list", ""),
    ("more met than there are", f"{PI_SET}/measurements/0/value/numerator", 116,
     "error[measure-counts]: the numerator 116 is above the denominator 115",
     f"{PI_SET}/measurements/0/value/numerator"),
    # 305 + 255 + 2 = 562 cases of 561
    ("more reported than there are", f"{VALUE}/eligiblePopulation", 561,
     "562 cases are reported, more than the 561 of `eligiblePopulation`", VALUE),
    ("unknown measure", f"{SET}/measurements/0/measureId", "1100",
     "error[measure-unknown]: `1100` is not a quality measure of 2019",
     f"{SET}/measurements/0/measureId"),
    ("unknown activity", "/measurementSets/1/measurements/0/measureId", "IA_EPA_44",
     "is not an improvement activity of 2019", "/measurementSets/1/measurements/0/measureId"),
    # the exclusion of PI_EP_1
    ("measure and exclusion", f"{PI_SET}/measurements/1", measured("PI_LVPP_1", True),
     "error[measure-excluded]: `PI_EP_1` is reported and its exclusion `PI_LVPP_1` is claimed too",
     f"{PI_SET}/measurements/0"),
    ("measure twice", f"{SET}/measurements/1", measured("110", single(1, 1, 2)),
     "error[measure-duplicate]: `110` stands twice in this set", f"{SET}/measurements/1"),
    ("set twice", "/measurementSets/1", VALID["measurementSets"][0],
     "error[submission-duplicate-set]: two sets for `quality` by `registry`", "/measurementSets/1"),
    ("starts before the year", f"{SET}/performanceStart", "2018-12-31",
     "error[period-outside-year]: 2018-12-31 lies outside the performance year 2019",
     f"{SET}/performanceStart"),
    ("ends after the year", f"{SET}/performanceEnd", "2020-01-01",
     "2020-01-01 lies outside the performance year 2019", f"{SET}/performanceEnd"),
    ("no such day", f"{SET}/performanceEnd", "2019-02-29", "is not a date of the calendar",
     f"{SET}/performanceEnd"),
    ("rate above 100", f"{SET}/measurements/2/value/performanceRate", 100.01,
     "error[value-out-of-bounds]: `performanceRate` must be from 0 to 100; it is 100.01",
     f"{SET}/measurements/2/value/performanceRate"),
    ("rate below 0", f"{SET}/measurements/2/value/performanceRate", -0.5, "it is -0.5",
     f"{SET}/measurements/2/value/performanceRate"),
    # 100 x 305/560 = 54.464...
    ("rate that the counts do not give", f"{VALUE}/performanceRate", 54.47,
     "stated as 54.47, but the counts give 54.46", f"{VALUE}/performanceRate"),
    ("no population", f"{VALUE}/eligiblePopulation", None,
     "error[json-missing-key]: `eligiblePopulation` is missing", VALUE),
    ("wrong year", "/performanceYear", 2018,
     "error[submission-year]: the file is of performance year 2018, the policy of 2019",
     "/performanceYear"),
    ("no such kind", "/entityType", "clinician", "must be `group` or `individual`", "/entityType"),
    ("TIN with a hyphen", "/taxpayerIdentificationNumber", "00-0456789",
     "error[identifier-shape]: `taxpayerIdentificationNumber` must be a TIN: 9 digits",
     "/taxpayerIdentificationNumber"),
    ("NPI as a number", "/nationalProviderIdentifier", int(NPI), "must be text; it is a whole",
     "/nationalProviderIdentifier"),
    # an identifier where it does not belong is not shown either
    ("NPI as a measure", f"{SET}/measurements/0/measureId", NPI, "`##########` is not a quality",
     f"{SET}/measurements/0/measureId"),
    ("a facts file", "", {"data": {"npi": NPI, "organizations": [{"TIN": TIN}]}},
     "error[wrong-file]: this is a facts file, not a submission", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "value", "said", "at"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_one_fault_is_one_error(
    tmp_path: Path, where: str, value: Json, said: str, at: str
) -> None:
    document = changed(VALID, where, value) if where else value
    report = the_error(score(write(tmp_path, "broken.json", document)))
    assert said in report
    place = re.escape(f"  --> {tmp_path / 'broken.json'}{'#' if at else ''}{at}")
    assert re.search(f"^{place}(: [a-z ]+)?$", report, re.M), report


NESTED = b'{"entityType": ' + b"[" * 10_000_000
NOT_JSON = [
    ("letter", f"Dear CMS,\nNPI {NPI} reports".encode(), "this is not JSON: expecting value"),
    ("table", f"tin,npi\n{TIN},{NPI}\n".encode(), "this is not JSON"),
    ("QRDA", b"<ClinicalDocument/>", "the file is XML"),
    ("empty", b"", "the file is empty"),
    ("cut", json.dumps(VALID).encode()[:200], "this is not JSON"),
    ("key twice", f'{{"taxpayerIdentificationNumber": "{TIN}", '.encode() * 2 + b'"a": 1}}',
     "this is not JSON"),
    ("another encoding", json.dumps(VALID).encode("utf-16"), "the file is not UTF-8 text"),
    ("nested", NESTED, "nested more than 64 deep"),
    ("nested and closed", b"[" * 5_000_000 + b"]" * 5_000_000, "nested more than 64 deep"),
    ("too large", b'{"a": "' + b"x" * 17_000_000 + b'"}', "larger than 16 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"), [row[1:] for row in NOT_JSON], ids=[row[0] for row in NOT_JSON]
)
def test_what_is_no_json(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    report = the_error(score(tmp_path / "broken.json"))
    assert said in report
    assert len(report) < 1000


def test_a_file_with_several_faults_gets_them_all(tmp_path: Path) -> None:
    """In the order of the file, and those of a second file after them."""
    first = changed(VALID, "/taxpayerIdentificationNumber", "1")
    first = changed(first, f"{SET}/performanceEnd", "2019-02-30")
    first = changed(first, f"{VALUE}/performanceMet", -5)
    first = changed(first, f"{SET}/measurements/2/measureId", "AAAAI22")
    first = changed(first, "/measurementSets/1/submissionMethod", "claims")
    first = changed(first, f"{PI_SET}/measurements/0/value/numerator", 116)
    files = [write(tmp_path, "a.json", first),
             write(tmp_path, "b.json", without(VALID, "performanceYear"))]  # fmt: skip
    facts = {"data": {"npi": NPI, "organizations": [{"TIN": "1"}]}}
    done = score(*files, "--facts", write(tmp_path, "facts.json", facts))
    assert errors_of(done) == [
        "identifier-shape", "value-date", "value-out-of-bounds", "measure-unknown",
        "submission-method", "measure-counts", "json-missing-key", "identifier-shape",
    ]  # fmt: skip
    report = done.stderr
    assert report.count("a.json#") == 7  # the numerator's error shows the denominator too
    assert report.count("facts.json#") == 1


# Files and folders -------------------------------------------------------------------------------


def test_nothing_to_score() -> None:
    done = score()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Missing argument 'SUBMISSION...'" in done.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.json"
    assert "No such file" in the_error(score(missing))
    valid = write(tmp_path, "a.json", VALID)
    assert "No such file" in the_error(score(valid, "--facts", missing))
    assert "No such file" in the_error(score(valid, "--cost", missing))


def test_folders(tmp_path: Path) -> None:
    """A folder stands for its submissions; one without any, or with what is none, is an error."""
    folder = tmp_path / "batch"
    folder.mkdir()
    report = the_error(score(folder))
    assert "error[cannot-read-file]: the directory has no .json files" in report
    other = changed(VALID, "/taxpayerIdentificationNumber", "000456780")
    write(folder, "b.json", other)
    write(folder, "c.json", group(VALID["measurementSets"][0]))
    # one clinician's data in two files
    one, *more = VALID["measurementSets"]
    write(folder, "a.json", submission(one))
    write(folder, "d.json", submission(*more))
    (folder / "notes.txt").write_text("not read")
    found = objects(score(folder, "--format", "json"))
    assert [(o["subject"]["entity_type"], o["subject"]["tin"]) for o in found] == [
        ("group", TIN), ("individual", "000456780"), ("individual", TIN),
    ]  # fmt: skip
    whole = objects(score(write(tmp_path, "whole.json", VALID), "--format", "json"))
    assert found[2] == whole[0] | {"final_score_used": found[2]["final_score_used"]}
    (folder / "e.json").mkdir()
    assert "Is a directory" in the_error(score(folder))
    assert "--> " + str(folder / "e.json") in score(folder).stderr


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", VALID)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    assert "Permission denied" in the_error(score(path))


def test_standard_input(tmp_path: Path) -> None:
    """The same bytes give the same result, and the same error, as in a file."""
    content = json.dumps(VALID).encode()
    path = write(tmp_path, "a.json", VALID)
    from_file = score(path, "--format", "json")
    assert score("-", "--format", "json", stdin=content).stdout == from_file.stdout
    facts = ROOT / "examples" / "2020" / "clinician.json"
    expected = score(path, "--facts", facts, "--format", "json")
    assert expected.exit_code == 0
    again = score(path, "--facts", "-", "--format", "json", stdin=facts.read_bytes())
    assert again.stdout == expected.stdout
    report = the_error(score("-", stdin=b"[]"))
    assert "--> <standard input>" in report
    twice = score("-", "--facts", "-", stdin=content)
    assert (twice.exit_code, twice.stdout) == (2, "")
    assert "standard input (-) can stand for one file only" in twice.stderr


def test_a_score_given_twice(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", VALID)
    done = score(path, "--given", "quality=90", "--given", " quality = 80 %", "--given", "cost=x")
    report = done.stderr
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the score of `quality` is given twice" in report
    assert "`--given cost=x` gives no percentage" in report


def test_a_policy_named_twice_is_scored_once(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", VALID)
    done = score(path, "--format", "json", policy="2019-final, 2019-final")
    assert len(objects(done)) == 1


@pytest.mark.parametrize("option", ["--out", "--trace"])
def test_an_output_file_that_cannot_be_written(tmp_path: Path, option: str) -> None:
    path = write(tmp_path, "a.json", VALID)
    folder = tmp_path / "folder"
    folder.mkdir()
    report = the_error_of_writing(score(path, option, folder / "no" / "scores.json"))
    assert "No such file or directory" in report
    assert f"--> {folder / 'no' / 'scores.json'}" in report
    assert "Is a directory" in the_error_of_writing(score(path, option, folder))
    assert list(folder.iterdir()) == []
    folder.chmod(0o500)
    if not os.access(folder, os.W_OK):
        report = the_error_of_writing(score(path, option, folder / "scores.json"))
        assert "Permission denied" in report
    folder.chmod(0o700)
    assert list(folder.iterdir()) == []


def the_error_of_writing(done: Result) -> str:
    """The same as any refusal, after what was found while the files were scored."""
    assert errors_of(done) == ["cannot-write-file"]
    return done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_standard_output_that_is_full(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "finalrule", "score", write(tmp_path, "a.json", VALID)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*command, "--policy", "2019-final"], env=environment, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last == "error: the output cannot be written: No space left on device"
    assert "Traceback" not in done.stderr


def test_nothing_is_written_where_the_input_is_wrong(tmp_path: Path) -> None:
    out, trace = tmp_path / "scores.json", tmp_path / "trace.json"
    out.write_text("as it was")
    broken = write(tmp_path, "a.json", changed(VALID, "/performanceYear", 2018))
    the_error(score(broken, "--out", out, "--trace", trace))
    assert out.read_text() == "as it was"
    assert not trace.exists()
    done = score(write(tmp_path, "b.json", VALID), "--out", out, "--format", "json")
    assert (done.exit_code, done.stdout) == (3, "")
    assert len(json.loads(out.read_text())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "scores.json"]
