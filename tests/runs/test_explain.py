"""TIN/NPIs of a run explained: evaluated again, equal to what the run stored, and refused where
they are not. Factors are worked out by hand from 42 CFR 414.1405: threshold 45, applicable percent
9, additional factor from 85 points, 0.5 to 10 percent, for 2020-final.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
from click.testing import CliRunner, Result

from finalrule.cli.main import main
from finalrule.load import load_evaluator
from finalrule.places import grammar_root
from finalrule.runs.explain import rebuild
from finalrule.runs.run import run as run_policy

FIRST, SECOND = "000000011", "000000022"
NPIS = ("1234567893", "1234567802", "1234567810", "1234567828")
# TIN, NPI, own score, charges, and the unit whose score is used.
CLINICIANS = (
    (FIRST, NPIS[0], "78", "20000.50", ("individual",)),  # more than its group's 67
    (FIRST, NPIS[1], "10", "50000", ("group",)),
    (SECOND, NPIS[1], "90", "10000", ("apm_entity", "A-1")),  # the entity's 45 comes first
    (SECOND, NPIS[2], "100", "100000", ("individual",)),
    (SECOND, NPIS[3], "9", "80000", ("individual",)),
)
# 9% x 55/55 of 100,000 and 22/55 of 50,000 and 33/55 of 20,000.50: 9,000 + 1,800 + 1,080.027;
# 9 points are in the lowest quarter: 9% of 80,000 is 7,200.
SCALING = Fraction(7_200_000, 11_880_027)


def write(folder: Path, charges: dict[str, str]) -> None:
    score = "final_score_given,given_final_score,stated_low_volume,stated_opt_in_eligible"
    lines = [
        f"{tin},{npi},yes,{own},no,no,physician,no,neither,{charges.get(npi, paid)}"
        for tin, npi, own, paid, _ in CLINICIANS
    ]
    own = f"{score},clinician_type,stated_newly_enrolled,qp_status,covered_charges"
    tables = {
        "practices": f"tin,reports_as_group,{score}\n{FIRST},yes,yes,67,no,no\n{SECOND},no,,,no,no",
        "clinicians": "\n".join([f"tin,npi,{own}", *lines]),
        "entities": f"entity_id,kind,{score}\nA-1,apm_entity,yes,45,no,no",
        "members": f"entity_id,tin,npi\nA-1,{SECOND},{NPIS[1]}",
        "activities": "tin,npi,activity_id,completed,performance_start,performance_end\n"
        f"{SECOND},{NPIS[3]},IA_AHE_1,yes,2020-01-01,2020-12-31",
    }
    folder.mkdir()
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text + "\n", encoding="utf-8")


Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A run of the small nation: with settings, with some charges changed."""

    def made(*settings: str, **charges: str) -> Path:
        folder = tmp_path_factory.mktemp("run")
        write(folder / "facts", charges)
        evaluator = load_evaluator("2020-final", settings)
        run_policy(evaluator, folder / "facts", folder / "run", settings=settings)
        return folder / "run"

    return made


@pytest.fixture(scope="module")
def finished(make: Make) -> Path:
    return make()


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "copied"))


def explain(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, ["explain", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def refused(done: Result, code: str) -> str:
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"error[{code}]: " in done.stderr
    return done.stderr


def outcomes_of(text: str) -> dict[str, Any]:
    (trace,) = json.loads(text)
    return {one["outcome"]: one for one in trace["outcomes"]}


# --- evaluated again -----------------------------------------------------------------------------


@pytest.mark.parametrize(("tin", "npi", "own", "charges", "used"), CLINICIANS)
def test_the_run_stored_what_is_evaluated(
    finished: Path, tin: str, npi: str, own: str, charges: str, used: tuple[str, ...]
) -> None:
    found = rebuild(finished, tin, npi)
    assert found.differences == ()
    assert found.unit.path == used
    # Every outcome of every record, but for what the whole population gives: five
    # sums of payments, two counts of QPs and the sum of their incentive payments.
    rules, of = found.evaluator.program.rules, found.evaluation.frames_of
    assert found.outcomes == sum(len(of(rule.entity)) for rule in rules) - 8
    unscaled = {("individual", "78"): "27/500", ("group", "10"): "9/250", ("apm_entity", "90"): "0",
                ("individual", "100"): "9/100", ("individual", "9"): "-9/100"}  # fmt: skip
    assert found.evaluation.value("used_unscaled_factor") == Fraction(unscaled[used[0], own])


def test_the_factor_down_to_the_population(finished: Path) -> None:
    done = explain(finished, NPIS[2], SECOND, "--format", "json")
    assert done.exit_code == 0
    (trace,) = json.loads(done.stdout)
    schema = json.loads((grammar_root() / "trace.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(trace)
    assert trace["subject"] == {"npi": NPIS[2], "tin": SECOND, "performance_year": "2020"}
    assert trace["wanted"] == ["payment_adjustment_factor", "final_score[individual]"]
    outcomes = {one["outcome"]: one for one in trace["outcomes"]}
    # The sums are the run's; the scaling factor is calculated from them.
    assert outcomes["total_reductions"]["values"][""]["text"] == "$7,200.00"
    assert outcomes["total_reductions"]["assumed"] is True
    assert outcomes["total_reductions"]["from"] == "the run's population"
    scaling = outcomes["scaling_factor"]
    assert scaling["decided_by"]["name"] == "balanced"
    assert scaling["values"][""]["exact"] == str(SCALING)
    assert outcomes["adjustment_factor[individual]"]["values"][""]["exact"] == str(
        Fraction(9, 100) * SCALING
    )
    (charges,) = explain_fact(finished, "unscaled_increase", "tin_npi.covered_charges")
    assert charges == ("$100,000.00", f"clinicians[{SECOND},{NPIS[2]}]")


def explain_fact(run: Path, outcome: str, fact: str) -> list[tuple[str, str]]:
    found = outcomes_of(explain(run, NPIS[2], SECOND, outcome, "--format", "json").stdout)
    facts = found[outcome]["facts"]
    return [(one["text"], one["from"]) for one in facts if one["name"] == fact]


def test_as_text(finished: Path) -> None:
    done = explain(finished, NPIS[1], FIRST, "--depth", "0")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "2020-final: Calendar year 2020 final rule, as applied to performance year 2020",
        f"TIN {FIRST}, NPI {NPIS[1]}, performance year 2020",
    ]
    assert "final_score[group] = 67 points   by given" in lines
    assert "records are as the run stored them" in done.stderr
    deep = explain(finished, NPIS[1], FIRST, "payment_adjustment", "--depth", "all").stdout
    assert "total_reductions = $7,200.00   from the run's population" in deep


def test_nobody_else_is_named(finished: Path) -> None:
    """The practice has two clinicians, and outcomes of both; only one of them was asked for."""
    for outcome in ((), ("group.eligibility.special_statuses.non_patient_facing",)):
        done = explain(finished, NPIS[1], FIRST, *outcome, "--format", "json")
        assert not any(other in done.output for other in (SECOND, NPIS[0], NPIS[2], NPIS[3]))
        assert str(finished) not in done.stdout
    assert "clinician_non_patient_facing[group,#2]" in outcomes_of(done.stdout)


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        ("final_score", "final_score[group]"),
        ("individual.final_score", "final_score[individual]"),
        ("final_score[individual]", "final_score[individual]"),
        ("group.quality", "quality_category_score[group]"),
        ("quality.score", "quality_category_score[group]"),
        ("category_weights.cost", "category_weights[group]"),
        ("payment_adjustment.base", "adjustment_factor[group]"),
        # What stands in a column of clinicians.parquet is called so.
        ("total_adjustment", "payment_adjustment_factor"),
        ("total_adjustment[group]", "total_adjustment[group]"),
        ("eligibility_status", "eligibility_status[individual]"),
        ("group_eligibility_status", "eligibility_status[group]"),
        ("adjustment_amount", "adjustment_amount"),
    ],
)
def test_names_of_outcomes(finished: Path, outcome: str, name: str) -> None:
    done = explain(finished, NPIS[1], FIRST, outcome, "--format", "json")
    (trace,) = json.loads(done.stdout)
    assert [one.partition("[")[0] for one in trace["wanted"]] == [name.partition("[")[0]]
    assert trace["wanted"] == [name]


def test_an_entity_by_its_id(finished: Path) -> None:
    done = explain(finished, NPIS[1], SECOND, "apm_entity[A-1].final_score", "--depth", "0")
    assert "final_score[apm_entity,A-1] = 45 points   by given" in done.stdout


def test_measures_of_the_unit_that_is_named(finished: Path) -> None:
    done = explain(finished, NPIS[3], SECOND, "individual.ia.measures[IA_AHE_1].counted")
    assert done.exit_code == 0
    assert "activity_counted[individual,IA_AHE_1] = yes" in done.stdout
    other = explain(finished, NPIS[3], SECOND, "group.ia.measures[IA_AHE_1].counted")
    refused(other, "unknown-outcome")


def test_why_not(finished: Path) -> None:
    done = explain(finished, NPIS[2], SECOND, "scaling_factor", "--why-not", "limit")
    assert done.stdout.splitlines()[2:4] == [
        "scaling_factor: clause limit did not decide, because this does not hold:",
        "  reaches_limit (no)",
    ]


def test_a_trace_as_a_file(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    done = explain(finished, NPIS[2], SECOND, "--trace", file)
    assert done.stdout.startswith("2020-final: ")
    kept = file.read_text(encoding="utf-8")
    assert kept == explain(finished, NPIS[2], SECOND, "--format", "json").stdout


def test_a_run_with_settings(make: Make) -> None:
    done = explain(make("performance_threshold=60"), NPIS[1], FIRST, "used_unscaled_factor")
    assert done.stdout.startswith("2020-final+set: ")
    # 67 points are 7 of the 40 from 60 to 100: 9% x 7/40
    assert "used_unscaled_factor = 1.575%   by used" in done.stdout


@pytest.mark.parametrize(
    "given",
    # As one number of a file that says nothing of its places, and over the greatest denominator.
    ["prior_quality_achievement\n{tin},yes,50,45.5678901",
     "prior_quality_achievement_numerator,prior_quality_achievement_denominator\n"
     "{tin},yes,50,455678901,10000000"],
    ids=["decimal", "pair"],
)  # fmt: skip
def test_shares_of_the_greatest_denominator(tmp_path: Path, given: str) -> None:
    """Every number that is made of one still fits, and is what is evaluated."""
    (tmp_path / "facts").mkdir()
    header = "tin,has_prior_quality_achievement,prior_quality_score,"
    for name, text in (
        ("practices", header + given.format(tin=FIRST)),
        ("clinicians", f"tin,npi\n{FIRST},{NPIS[0]}"),
    ):
        (tmp_path / "facts" / f"{name}.csv").write_text(text + "\n", encoding="utf-8")
    run = tmp_path / "run"
    run_policy(load_evaluator("2020-final"), tmp_path / "facts", run)
    done = explain(run, NPIS[0], FIRST)
    # Nothing else is known of the practice, so that the adjustment is not determined.
    assert done.exit_code == 3 and "are as the run stored them" in done.stderr


def test_what_the_population_leaves_open(make: Make) -> None:
    """Without the charges of one clinician the reductions have no sum, and nobody's positive factor
    is determined; a negative one is."""
    run = make(**{NPIS[3]: ""})
    done = explain(run, NPIS[2], SECOND, "--format", "json")
    assert done.exit_code == 3
    assert outcomes_of(done.stdout)["scaling_factor"]["values"][""] == {
        "text": "undetermined", "needs": ["the run's population"]
    }  # fmt: skip
    negative = explain(run, NPIS[3], SECOND, "--depth", "0")
    assert negative.exit_code == 0
    assert "payment_adjustment_factor = -9%   by used" in negative.stdout


# --- what does not agree -------------------------------------------------------------------------


def table_of(run: Path, rule: str) -> tuple[Path, str]:
    """The file and column of a number that a run stored."""
    plan = json.loads((run / "plan.json").read_bytes())
    (file,) = (run / "outcomes" / plan["tables"][rule]).glob("*.parquet")
    return file, plan["shapes"][rule]["column"]


def change(file: Path, replaced: str) -> None:
    fresh = file.with_suffix(".fresh")
    duckdb.connect().execute(
        f"COPY (SELECT * REPLACE ({replaced}) FROM '{file}') TO '{fresh}' (FORMAT parquet)"
    )
    fresh.replace(file)


def differences(run: Path) -> list[str]:
    done = explain(run, NPIS[1], FIRST)
    assert (done.exit_code, done.stdout) == (4, "")
    return [line.removeprefix("error[run-differs]: ") for line in done.stderr.splitlines()
            if line.startswith("error")]  # fmt: skip


def test_a_number_that_was_changed(copied: Path) -> None:
    file, column = table_of(copied, "final_score")
    change(file, f"CASE WHEN {column} = 6700 THEN 6701 ELSE {column} END AS {column}")
    assert differences(copied) == [
        "`final_score[group]` is 67 points by given; the run stored 67.01 points by given"
    ]


def test_a_decision_that_was_changed(copied: Path) -> None:
    plan = json.loads((copied / "plan.json").read_bytes())
    file, _ = table_of(copied, "score_precedence")
    packed = plan["packed"]["score_precedence"]
    # The clause before: a place less in its bits.
    change(file, f"{packed['column']} - {2 ** packed['shift']} AS {packed['column']}")
    assert differences(copied) == [
        f"`score_precedence[{kind},{FIRST}]` is 1 by group_or_individual; "
        "the run stored 2 by virtual_group" for kind in ("individual", "group")
    ]  # fmt: skip


def test_a_row_that_is_not_there(copied: Path) -> None:
    file, _ = table_of(copied, "payment_adjustment_factor")
    change(file, "id + 1000 AS id")
    found = differences(copied)
    assert all(line.endswith("; the run stored nothing") for line in found)
    assert {line.split("`")[1] for line in found} >= {"payment_adjustment_factor", "increase"}


def test_the_manifest_is_compared(copied: Path) -> None:
    path = copied / "manifest.json"
    manifest = json.loads(path.read_bytes())
    assert manifest["program"]["scaling_factor"]["exact"] == str(SCALING)
    manifest["program"]["scaling_factor"]["exact"] = "3/5"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    (found,) = differences(copied)
    assert found.startswith("`manifest.json: scaling_factor` is ~0.606059 ")


def test_the_readable_result_is_compared(copied: Path) -> None:
    change(copied / "clinicians.parquet", "final_score + 1 AS final_score")
    assert differences(copied) == [
        "`clinicians.parquet: final_score` is 67; the run stored 68.00"
    ]  # fmt: skip


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("policy_digest", "0" * 64, "policy-changed"),
        ("settings", ["performance_threshold=60"], "policy-changed"),
        ("engine_version", "0.0.1", "engine-changed"),
        ("policy", "2031-final", "unknown-policy"),
        ("program", None, "run-unreadable"),
    ],
)
def test_a_run_of_something_else(copied: Path, field: str, value: object, code: str) -> None:
    path = copied / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), field: value}), encoding="utf-8")
    refused(explain(copied, NPIS[1], FIRST), code)


@pytest.mark.parametrize("lost", ["facts/scoring_unit", "outcomes", "plan.json"])
def test_a_run_that_is_not_whole(copied: Path, lost: str) -> None:
    path = copied / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    refused(explain(copied, NPIS[1], FIRST), "run-unreadable")


def test_no_run(tmp_path: Path) -> None:
    refused(explain(tmp_path, NPIS[1], FIRST), "not-a-run")


def test_who_is_not_in_the_run(finished: Path) -> None:
    said = refused(explain(finished, NPIS[3], FIRST), "not-in-run")
    assert f"no clinician with NPI {NPIS[3]} under TIN {FIRST}" in said


def test_who_was_rejected(copied: Path) -> None:
    rejected = copied / "facts" / "rejected.parquet"
    duckdb.connect().execute(
        f"COPY (SELECT 'clinicians' AS \"table\", 'duplicate_key' AS reason, '{FIRST}' AS tin, "
        f"'{NPIS[3]}' AS npi) TO '{rejected}' (FORMAT parquet)"
    )
    said = refused(explain(copied, NPIS[3], FIRST), "not-in-run")
    assert "a row of `clinicians` was rejected: duplicate_key" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "RUN NPI [TIN] [OUTCOME]"),
        ((FIRST, NPIS[1]), "the NPI, ten digits, and the TIN, nine digits"),
        ((NPIS[1], FIRST, "final_score", "more"), "RUN NPI [TIN] [OUTCOME]"),
        ((NPIS[1], FIRST, "--policy", "2020-final"), "--policy does not go with a run"),
        ((NPIS[1], FIRST, "--outcome", "final_score"), "--outcome does not go with a run"),
        ((NPIS[1], FIRST, "--why-not", "given"), "--why-not needs an outcome"),
    ],
)
def test_how_it_is_called(finished: Path, arguments: tuple[str, ...], said: str) -> None:
    done = explain(finished, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


def test_submissions_need_a_policy(tmp_path: Path) -> None:
    done = explain(tmp_path / "submission.json")
    assert done.exit_code == 2
    assert "Missing option '--policy'" in done.stderr
