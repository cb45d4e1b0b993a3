"""A what-if is a run of the whole with the same settings, to the last digit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from finalrule.core import ir
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator, load_program
from finalrule.population import index
from finalrule.report.beside import beside
from finalrule.report.model import decode
from finalrule.report.summary import summarize
from finalrule.runs import run as runs
from finalrule.runs.alike import again_alike, write_alike
from finalrule.runs.changed import Changed, changed_rules
from finalrule.runs.execute import connect
from finalrule.runs.kept import Kept
from finalrule.runs.late import late_rules, own_rules
from finalrule.runs.results import COLUMNS
from finalrule.runs.shortened import not_considered, shortened
from finalrule.runs.what_if import CLINICIANS, GROUPS, changed
from runs.conftest import POLICY, Whole, finalrule, refused

# What is changed, and how much of the rules it reaches, from the last ones to nearly all.
SETTINGS = (
    ("applicable_percent=5%", "additional_performance_threshold=85"),
    ("performance_threshold=60",),
    ("category_weights.no_cost.quality=45%", "category_weights.no_cost.pi=40%"),
    ("low_volume.allowed_charges=$60,000",),
    ("quality.data_completeness=90%",),
    # Twice a numerator may have 39 digits, and so may the bound of a total times what divides it.
    ("performance_threshold=45.5",),
)
Again = Callable[..., Path]


@pytest.fixture(scope="module")
def again(nation: Path, tmp_path_factory: pytest.TempPathFactory) -> Again:
    """A run of the whole with settings, made once."""
    made: dict[tuple[str, ...], Path] = {}

    def run(*settings: str) -> Path:
        if settings not in made:
            made[settings] = tmp_path_factory.mktemp("again") / "run"
            evaluator = load_evaluator(POLICY, settings)
            runs.run(evaluator, nation, made[settings], settings=settings)
        return made[settings]

    return run


def what_if(run: Path, out: Path, *settings: str) -> dict[str, Any]:
    """What a what-if wrote of the program."""
    options = [word for setting in settings for word in ("--set", setting)]
    done = finalrule("what-if", run, *options, "--out", out)
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads((out / "what-if.json").read_bytes())
    return found


def rows(folder: Path) -> list[tuple[object, ...]]:
    columns = ", ".join(column.name for column in COLUMNS)
    path = folder / "clinicians.parquet"
    return duckdb.connect().execute(f"SELECT {columns} FROM '{path}'").fetchall()


def manifest(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_bytes())
    return found


@pytest.mark.parametrize("settings", SETTINGS, ids=" ".join)
def test_it_equals_a_run_of_the_whole(
    whole: Whole, again: Again, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    found = what_if(whole.path, tmp_path / "out", *settings)
    expected = manifest(again(*settings))
    assert rows(whole.path) != rows(again(*settings)) == rows(tmp_path / "out")
    assert found.pop("rules")
    assert found == expected


def test_back_to_what_it_was(whole: Whole, again: Again, tmp_path: Path) -> None:
    """The settings of a run hold in its what-if but for those that are set again."""
    found = what_if(again("performance_threshold=60"), tmp_path / "out", "performance_threshold=45")
    assert rows(tmp_path / "out") == rows(whole.path)
    assert found["settings"] == ["performance_threshold=45"]
    assert found["program"] == manifest(whole.path)["program"]
    both = what_if(again("performance_threshold=60"), tmp_path / "both", "applicable_percent=5%")
    assert both["settings"] == ["performance_threshold=60", "applicable_percent=5%"]


def test_nothing_that_differs(whole: Whole, tmp_path: Path) -> None:
    found = what_if(whole.path, tmp_path / "out", "performance_threshold=45")
    assert found["rules"] == []
    assert rows(tmp_path / "out") == rows(whole.path)
    assert found["program"] == manifest(whole.path)["program"]


def test_what_depends_on_a_figure() -> None:
    """42 CFR 414.1405(b): the applicable percent is read by the adjustment factor alone, and all
    that follows from it; the additional factor does not."""
    was, now = load_program(POLICY), load_program(POLICY, ("applicable_percent=5%",))
    changed = changed_rules(was, now).rules
    assert {"unscaled_adjustment_factor", "scaling_factor", "payment_adjustment_factor"} <= {
        *changed
    }
    assert not {"final_score", "additional_adjustment_factor", "total_additional_payments"} & {
        *changed
    }


def test_what_is_not_computed_again(whole: Whole) -> None:
    """42 CFR 414.1380(c): the final score of who has fewer than two categories is the threshold;
    all other ones do not read it. A score that could not be used before cannot be used now."""
    was, now = load_program(POLICY), load_program(POLICY, ("performance_threshold=60",))
    stored = index.read(was, (whole.path / "plan.json").read_bytes())
    change = changed_rules(was, now)
    short = shortened(now, stored, change)
    assert [one.column for one in short.columns] == [
        "final_score__before", "final_score__decided_before"
    ]  # fmt: skip
    (rule,) = (one for one in short.program.rules if one.name == "final_score")
    assert isinstance(rule, ir.Choice)
    given = {clause.name: clause.value for clause in rule.clauses}
    assert given.pop("fewer_than_two_categories") == ir.Param("performance_threshold")
    assert set(given.values()) == {ir.Outcome("final_score__before")}
    assert set(not_considered(now, stored, change, change.rules[-1:])) == {"available_score"}
    # What else is asked of scores is asked of all of them.
    assert not not_considered(now, stored, change, ("available_final_score",))


def test_as_text(whole: Whole) -> None:
    done = finalrule("what-if", whole.path, "--set", "performance_threshold=60")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{POLICY} over 2,000 clinicians ({whole.path}), and with"
    assert lines[3].split() == ["the", "run", "what-if", "difference"]
    assert lines[4].split()[-3:] == ["45.00", "60.00", "+15.00"]
    assert any(line.startswith("25 of the run's ") for line in lines)
    assert "  final_score, available_final_score, final_score_used," in done.stdout


def test_as_json(whole: Whole) -> None:
    asked = ("what-if", whole.path, "--set", "performance_threshold=60", "--format", "json")
    data = json.loads(finalrule(*asked).stdout)
    assert data["format"] == "what-if.v1"
    assert data["before"]["figures"]["performance_threshold"] == "45"
    assert data["after"]["figures"]["performance_threshold"] == "60"
    assert data["after"]["settings"] == ["performance_threshold=60"]
    assert len(data["rules"]) == 25 and data["seconds"] > 0


def test_what_a_run_keeps_as_its_summary(whole: Whole, copied: Path) -> None:
    """It is that of its clinicians; a run without one is the same beside its what-if."""
    with duckdb.connect() as connection:
        relation = f"'{whole.path}/clinicians.parquet'"
        made = summarize(connection, relation, manifest(whole.path))
    assert decode((copied / "summary.json").read_bytes()) == made
    (copied / "summary.json").unlink()
    shown = []
    for run in (whole.path, copied):
        asked = ("what-if", run, "--set", "performance_threshold=60", "--format", "json")
        data = json.loads(finalrule(*asked).stdout)
        shown.append((data["before"], data["after"]))
    assert shown[0] == shown[1]


@pytest.mark.parametrize("settings", [SETTINGS[0], SETTINGS[1], SETTINGS[2]], ids=" ".join)
def test_one_for_all_who_are_alike(
    whole: Whole, again: Again, copied: Path, settings: tuple[str, ...]
) -> None:
    """What a late figure comes to is the summary of a run of the whole, from TIN/NPIs that are
    alike or, where a run keeps none of these, from all; an early figure's is from all."""
    expected = manifest(again(*settings))
    shutil.rmtree(copied / "alike")
    late = settings != SETTINGS[2]
    for run, grouped in ((whole.path, late), (copied, False)):
        with connect(2, "1GB", copied.parent / "scratch") as connection:
            found = changed(connection, run, manifest(run), settings)
            assert found.grouped is grouped
            assert found.manifest == expected
            relation = GROUPS if grouped else CLINICIANS
            shown = summarize(connection, relation, found.manifest, grouped=grouped)
            assert shown == summarize(connection, CLINICIANS, found.manifest)
            all_of_it = f"'{again(*settings)}/clinicians.parquet'"
            assert shown == summarize(connection, all_of_it, expected)


def test_who_is_alike(whole: Whole) -> None:
    """The first of them stands for everybody who has, beside its own charges and amounts, the same
    results; some have more than one score, and the scores are those of the first."""
    with duckdb.connect() as connection:

        def ask(query: str) -> list[Any]:
            tables = {name: f"'{whole.path}/alike/{name}.parquet'" for name in
                      ("alike", "available_score", "scoring_unit", "tin_npi")}  # fmt: skip
            clinicians = f"'{whole.path}/clinicians.parquet'"
            return connection.execute(query.format(clinicians=clinicians, **tables)).fetchall()

        everybody = ask("SELECT COUNT(*), COUNT(DISTINCT alike_id) FROM {tin_npi}")
        assert everybody[0][0] == 2000 > everybody[0][1] > 0
        assert ask("SELECT COUNT(*) FROM {alike}") == [(everybody[0][1],)]
        assert ask("SELECT COUNT(*) FROM {tin_npi} WHERE alike_id > id") == [(0,)]
        results = "final_score, score_used, adjustment_applies, eligibility_status, practice_size"
        one = f"SELECT {results} FROM read_parquet({{clinicians}}, file_row_number = true) n " \
            "JOIN {tin_npi} t ON t.id = n.file_row_number"  # fmt: skip
        first = f"SELECT {results} FROM {{tin_npi}} t JOIN {{alike}} a ON a.id = t.alike_id"
        assert ask(f"({one}) EXCEPT ALL ({first})") == []
        lost = (
            "SELECT COUNT(*) FROM {available_score} WHERE alike_id NOT IN (FROM {alike} SELECT id)"
        )
        assert ask(lost) == [(0,)]
        assert ask("SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM {available_score} "
                   "GROUP BY alike_id)")[0][0] > 1  # fmt: skip


@pytest.mark.parametrize("policy", ["2019-final", POLICY, "2020-final"])
def test_which_rules_are_late(policy: str) -> None:
    """Those of scores, payments and budget neutrality; only amounts are a TIN/NPI's own: charges
    times what those who are alike have alike."""
    program = load_program(policy)
    late = late_rules(program)
    assert {"final_score", "scaling_factor", "adjustment_amount"} <= set(late)
    assert own_rules(program, late) == {
        "unscaled_increase", "reduction", "unscaled_additional_payment", "increase",
        "additional_payment", "adjustment_amount",
    }  # fmt: skip


def test_wide_numbers_of_those_who_are_alike(whole: Whole, copied: Path) -> None:
    """A late rule may read what has more digits than a double: it is kept as it is."""
    program = load_program(POLICY)
    wide = ir.Compare("<", ir.Outcome("quality_category_score"), ir.Num(Fraction(1, 2), "percent"))
    rules = tuple(
        msgspec.structs.replace(
            rule, clauses=(msgspec.structs.replace(rule.clauses[0], when=wide, kind="when"),)
        )
        if isinstance(rule, ir.Choice) and rule.name == "total_adjustment" else rule
        for rule in program.rules
    )  # fmt: skip
    evaluator = Evaluator(msgspec.structs.replace(program, rules=rules), {})
    stored = index.read(program, (copied / "plan.json").read_bytes())
    with duckdb.connect() as connection:
        write_alike(connection, copied, evaluator, stored)
    with duckdb.connect() as connection:
        kept = Kept(connection, copied, stored)
        change = Changed(frozenset(), frozenset(), late_rules(evaluator.program))
        assert again_alike(connection, copied, evaluator, change, kept)
        table = stored.tables["quality_category_score"]
        given = f"read_parquet('{copied}/outcomes/{table}/*.parquet')"
        for name in ("quality_category_score__n", "quality_category_score__d"):
            found = connection.execute(
                f"SELECT typeof(a.{name}), a.{name}, r.{name}::HUGEINT FROM scoring_unit a "
                f"JOIN {given} r USING (id) ORDER BY a.{name}"
            ).fetchall()
            assert {kind for kind, *_ in found} == {"HUGEINT"}
            assert [one for _, one, _ in found] == [one for *_, one in found]


def test_a_figure_that_sql_cannot_compute(whole: Whole, nation: Path, tmp_path: Path) -> None:
    """The denominators of 73.33 are too many digits for the total adjustment: as a run says it."""
    settings = ("--set", "performance_threshold=73.33")
    out = tmp_path / "run"
    done = finalrule("run", "--policy", POLICY, "--facts", nation, "--out", out, *settings)
    refused(done, "not-for-sql", out)
    asked = finalrule("what-if", whole.path, *settings)
    assert asked.exit_code == 2 and asked.stderr == done.stderr


def test_rules_that_those_who_are_alike_do_not_have_alike() -> None:
    """A score's rule that reads charges, or one of the program over scores, must see everybody."""
    program = load_program(POLICY)
    charges = ir.Compare("==", ir.Fact("tin_npi", "covered_charges"), ir.Num(Fraction(0), "usd"))
    over_scores = ir.Aggregate("count", "available_score", None, ir.Outcome("final_score_used"))
    for name, when in (
        ("available_final_score", charges),
        ("total_increases", ir.Compare("==", over_scores, ir.Num(Fraction(0), "count"))),
    ):
        rules = tuple(
            msgspec.structs.replace(
                rule, clauses=(msgspec.structs.replace(rule.clauses[0], when=when),)
            )
            if isinstance(rule, ir.Choice) and rule.name == name else rule
            for rule in program.rules
        )  # fmt: skip
        assert late_rules(msgspec.structs.replace(program, rules=rules)) == ()


@pytest.mark.parametrize(
    ("name", "none"),
    [
        ("payment_adjustment_applies", ir.Bool(False)),
        ("payment_adjustment_factor", ir.Num(Fraction(0), "percent")),
    ],
)
def test_results_that_those_who_are_alike_do_not_have_alike(name: str, none: ir.Expr) -> None:
    """What follows from charges and is no amount cannot be added up: it is from everybody."""
    program = load_program(POLICY)
    charges = ir.Compare("==", ir.Fact("tin_npi", "covered_charges"), ir.Num(Fraction(0), "usd"))
    (before,) = (rule for rule in program.rules if rule.name == name)
    assert isinstance(before, ir.Choice) and late_rules(program)
    (clause,) = before.clauses
    of_all = msgspec.structs.replace(before, name="of_all")
    nothing = msgspec.structs.replace(
        clause, name="no_charges", when=charges, kind="when", value=none
    )
    other = msgspec.structs.replace(
        clause, when=None, kind="otherwise", value=ir.Outcome(of_all.name)
    )
    after = msgspec.structs.replace(before, clauses=(nothing, other))
    rules = [
        one for rule in program.rules for one in ((of_all, after) if rule == before else (rule,))
    ]
    assert late_rules(msgspec.structs.replace(program, rules=tuple(rules))) == ()


def test_side_by_side(whole: Whole, again: Again) -> None:
    """The differences are those of two runs of the whole."""
    found = []
    with duckdb.connect() as connection:
        for run in (whole.path, again("performance_threshold=60")):
            relation = f"'{run}/clinicians.parquet'"
            found.append(summarize(connection, relation, manifest(run)))
    before, after = found
    shown = {row.cells[0].shown.strip(): row.cells[1:] for row in beside(before, after)}
    assert [cell.shown for cell in shown["Performance threshold (points)"]] == [
        "45.00", "60.00", "+15.00"
    ]  # fmt: skip
    assert "Applicable percent" not in shown
    assert before.budget.reductions is not None and after.budget.reductions is not None
    grown = after.budget.reductions - before.budget.reductions
    assert grown > 0 and shown["Reductions"][2].shown == f"+${float(grown):,.2f}"
    # Scores do not change, those at 45 and more become fewer.
    assert shown["Final score, mean (points)"][2].shown == ""
    fewer = {one.region: one.total.clinicians for one in before.adjustments}["above_threshold"]
    fewer -= {one.region: one.total.clinicians for one in after.adjustments}["above_threshold"]
    assert shown["Above the threshold"][2].shown == f"\N{MINUS SIGN}{fewer:,}"


# --- what is refused -----------------------------------------------------------------------------


@pytest.fixture
def copied(whole: Whole, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return Path(shutil.copytree(whole.path, tmp_path / "copied"))


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
    (copied / "manifest.json").write_text(json.dumps({**manifest(copied), field: value}))
    out = copied.parent / "out"
    asked = ("what-if", copied, "--set", "performance_threshold=60", "--out", out)
    refused(finalrule(*asked), code, out)


@pytest.mark.parametrize("lost", ["facts/scoring_unit", "outcomes", "plan.json",
                                  "clinicians.parquet", "alike/tin_npi.parquet"])  # fmt: skip
def test_a_run_that_is_not_whole(copied: Path, lost: str) -> None:
    path = copied / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    refused(finalrule("what-if", copied, "--set", "performance_threshold=60"), "run-unreadable")


@pytest.mark.parametrize("name", ["plan.json", "summary.json"])
def test_a_file_that_is_cut_short(copied: Path, name: str) -> None:
    data = (copied / name).read_bytes()
    (copied / name).write_bytes(data[: len(data) // 2])
    refused(finalrule("what-if", copied, "--set", "performance_threshold=60"), "run-unreadable")


def test_no_run(tmp_path: Path) -> None:
    refused(finalrule("what-if", tmp_path, "--set", "performance_threshold=60"), "not-a-run")
    (tmp_path / "manifest.json").write_text("[]")
    refused(finalrule("what-if", tmp_path, "--set", "performance_threshold=60"), "not-a-run")


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("performance_treshold=60", "unknown-setting"),
        ("performance_threshold=60%", "wrong-unit"),
        ("performance_threshold=60 was 30", "base-was-not"),
        # Rounding rules are no figures.
        ("final_score.places=1", "unknown-setting"),
        ("category_weights.no_cost.quality=60%", "table-check"),
    ],
)
def test_a_setting_that_cannot_be(whole: Whole, setting: str, code: str) -> None:
    refused(finalrule("what-if", whole.path, "--set", setting), code)


def test_nothing_is_set(whole: Whole) -> None:
    done = finalrule("what-if", whole.path)
    assert done.exit_code == 2 and "Missing option '--set'" in done.stderr


def test_a_place_that_is_taken(whole: Whole, tmp_path: Path) -> None:
    asked = ("what-if", whole.path, "--set", "performance_threshold=60", "--out")
    refused(finalrule(*asked, tmp_path), "out-exists")
    (tmp_path / "file").write_text("")
    refused(finalrule(*asked, tmp_path / "file" / "out"), "cannot-write-file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_too_little_memory(whole: Whole) -> None:
    asked = ("what-if", whole.path, "--set", "quality.data_completeness=90%", "--memory", "1MB")
    refused(finalrule(*asked), "run-memory")
