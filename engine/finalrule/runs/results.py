"""Results in words: one row for every TIN/NPI, its statuses, the score that is used, and what that
is in percent and in dollars."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from finalrule.core import ir
from finalrule.core.expressions import places_of
from finalrule.evaluate.outcomes import output_types
from finalrule.population import amounts, sql
from finalrule.population.plan import Plan
from finalrule.population.sql import E
from finalrule.population.stored import amount_of, stored_columns
from finalrule.tables.convert import files_at
from finalrule.tables.schema import ELIGIBLE_CLINICIAN
from finalrule.values import Enumeration, Number

CLINICIANS = "clinicians.parquet"
PARTICIPANTS = "eligible_clinicians.parquet"
# Tables of facts that say who somebody is.
NAMES = ("unit_names", "tin_npi_names")
# Whose outcome a column is: that of a scoring unit (the individual, the practice as a group, the
# unit whose score is used), of the clinician in the individual's unit or in that of a practice that
# reports as a group, or of the TIN/NPI itself.
INDIVIDUAL, PRACTICE, USED = "individual", "practice", "used"
OWN, GROUPED = "own", "grouped"
TIN_NPI = "tin_npi"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the clinicians: an outcome of a rule and whose it is, or something else."""

    name: str
    rule: str = ""
    of: str = ""


COLUMNS = (
    Column("tin"),
    Column("npi"),
    Column("practice_size"),
    Column("eligibility_status", "eligibility_status", INDIVIDUAL),
    Column("low_volume_status", "low_volume_status", INDIVIDUAL),
    Column("any_data_submitted", "any_data_submitted", INDIVIDUAL),
    Column("clinician_participation", "clinician_participation", OWN),
    Column("reports_as_group"),
    Column("group_eligibility_status", "eligibility_status", PRACTICE),
    Column("group_adjustment_applies", "clinician_adjustment_applies", GROUPED),
    Column("score_used"),
    Column("final_score", "final_score", USED),
    Column("adjustment_factor", "adjustment_factor", USED),
    Column("additional_adjustment_factor", "additional_adjustment_factor", USED),
    Column("covered_charges"),
    Column("adjustment_applies", "payment_adjustment_applies", TIN_NPI),
    Column("total_adjustment", "payment_adjustment_factor", TIN_NPI),
    Column("increase", "increase", TIN_NPI),
    Column("reduction", "reduction", TIN_NPI),
    Column("additional_payment", "additional_payment", TIN_NPI),
    Column("adjustment_amount", "adjustment_amount", TIN_NPI),
)
# What follows from the charges of each TIN/NPI.
AMOUNTS = ("increase", "reduction", "additional_payment", "adjustment_amount")
# Of who takes part in Advanced APMs: outcomes of the clinician (NPI) under whichever TINs.
OF_PARTICIPANTS = (
    "clinician_first_listed", "individually_assessed", "qp_status", "qp_shortfall",
    "estimated_aggregate_payments", "apm_incentive_payment",
)  # fmt: skip
SCORE = "available_score"
FINAL_SCORE, CHOSEN = "final_score", "final_score_used"


class Words:
    """Outcomes of a plan as columns for people."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rules = {rule.name: rule for rule in plan.program.rules}
        self.roundings = {one.name: one for one in plan.program.roundings}

    def outcome(self, rule: str, alias: str) -> str:
        """An outcome as it is printed: a number rounded by the rule that prints it."""
        shape = self.plan.shapes[rule, ""]
        type_ = output_types(self.rules[rule])[""]
        if isinstance(type_, Number):
            tree = self._printed(self.rules[rule], type_)
        else:
            tree = self._column(self.plan.tables[rule], shape.column)
            if isinstance(type_, Enumeration):
                tree = _member(tree, type_)
        return _of(tree, alias)

    def _column(self, table: str, name: str) -> E:
        """A column of a table of results, which may have to be made of what decided."""
        if name in self.plan.results[table]:
            return sql.column(name)
        found = stored_columns(self.plan, {name})
        return next(one.tree for one in found if (one.table, one.name) == (table, name))

    def _printed(self, rule: ir.AnyRule, type_: Number) -> E:
        rounding = self.roundings[rule.prints]
        places = places_of(rounding.places, rounding.unit)
        found = amounts.rounded(
            amount_of(self.plan.shapes[rule.name, ""]), places, rounding.mode, _as_is
        )
        # A percent is shown times a hundred.
        shown = rounding.places
        scaled = sql.both(exp.Mul, found.numerator, sql.number(10**places // found.unit))
        decimal = exp.Cast(
            this=scaled, to=exp.DataType.build(f"DECIMAL({18 if shown < 9 else 38}, 0)")
        )
        if not shown:
            return decimal
        return sql.both(exp.Mul, decimal, exp.Literal.number(f"0.{'0' * (shown - 1)}1"))


def _as_is(tree: E, hint: str) -> E:
    return tree


def _member(tree: E, type_: Enumeration) -> E:
    return sql.case(
        [
            (sql.both(exp.EQ, tree, sql.number(place)), sql.text(member))
            for place, member in enumerate(type_.members)
        ],
        None,
    )


def _of(tree: E, alias: str) -> str:
    """The tree over the columns of a table, as text."""
    placed = tree.copy()
    for column in list(placed.find_all(exp.Column)):
        column.set("table", exp.to_identifier(alias))
    return sql.duckdb(placed)


def clinicians(plan: Plan) -> str:
    """The query: a row for each TIN/NPI, `n` being its name. It reads the tables of results and of
    facts by name."""
    found = _Columns(plan)
    listed = ", ".join(f"{found.sql(column)} AS {column.name}" for column in COLUMNS)
    return f"SELECT {listed} FROM tin_npi_names n {found.joins()}"


def participants(plan: Plan) -> str:
    """The query: a row for each clinician who takes part in Advanced APMs. It reads the tables of
    results and of facts by name."""
    words, tables = Words(plan), dict.fromkeys(plan.tables[rule] for rule in OF_PARTICIPANTS)
    listed = ", ".join(
        f"{words.outcome(rule, plan.tables[rule])} AS {rule}" for rule in OF_PARTICIPANTS
    )
    joins = " ".join(f"JOIN {table} ON {table}.id = e.id" for table in tables)
    return f"SELECT e.npi, {listed} FROM {ELIGIBLE_CLINICIAN} e {joins}"


def changed_clinicians(
    plan: Plan, changed: Collection[str], run: Path, alike: str = ""
) -> tuple[str, set[str]]:
    """The query of the same rows of a finished run, in which TIN/NPIs stand in the order of their
    ids; what depends on changed rules is taken from the plan's tables. With it, the tables that it
    reads. Where it is changed which score is used, that table has the facts of the score that make
    results. `alike` is an entity that stands for TIN/NPIs that are."""
    found = _Columns(plan, carried=CHOSEN in changed, alike=alike)
    replaced = [
        f"{found.sql(column)} AS {column.name}" for column in COLUMNS if depends(column, changed)
    ]
    source = f"read_parquet({files_at(run / CLINICIANS)}, file_row_number = true)"
    source = f"SELECT * RENAME (file_row_number AS id) FROM {source}"
    without = "id"
    if alike:
        source = f"SELECT c.*, t.{alike}_id FROM ({source}) c JOIN {TIN_NPI} t ON t.id = c.id"
        without = f"id, {alike}_id"
    star = _star(without, replaced)
    return f"SELECT {star} FROM ({source}) n {found.joins()}", found.reads


def changed_groups(plan: Plan, changed: Collection[str], alike: str) -> str:
    """The query of all rows of a finished run, one for TIN/NPIs that are alike, `n` of them: what
    they do not have alike as how many have it (`x_count`) and as a sum (`x_sum`). The table of the
    entity `alike` has what they have in the run."""
    found = _Columns(plan, carried=True, alike=alike)
    own = [one for one in COLUMNS if one.of == TIN_NPI and found.is_own(one)]
    (table,) = {plan.tables[one.rule] for one in own}
    replaced = [
        f"{found.sql(column)} AS {column.name}" for column in COLUMNS
        if depends(column, changed) and column not in own
    ]  # fmt: skip
    values = {"covered_charges": _charges("t")}
    values |= {one.name: found.words.outcome(one.rule, "t") for one in own}
    listed = ", ".join(f"{value} AS {name}" for name, value in values.items())
    summed = "".join(
        f", count({name}) AS {name}_count, sum({name}) AS {name}_sum" for name in values
    )
    return f"""SELECT {_star("id, " + alike + "_id", replaced)}, own.* EXCLUDE ({alike}_id)
        FROM (SELECT *, id AS {alike}_id FROM {alike}) n JOIN (
          SELECT {alike}_id, count(*) AS n{summed}
          FROM (SELECT t.{alike}_id, {listed} FROM {table} t) GROUP BY {alike}_id) own
          ON own.{alike}_id = n.id {found.joins()}"""


def _star(without: str, replaced: Sequence[str]) -> str:
    star = f"n.* EXCLUDE ({without})"
    return f"{star} REPLACE ({', '.join(replaced)})" if replaced else star


def _charges(alias: str) -> str:
    return f"CAST({alias}.covered_charges AS DECIMAL(18, 0)) * 0.01"


def depends(column: Column, changed: Collection[str]) -> bool:
    """Whether a column may be another one when the outcomes of some rules are."""
    if column.of == USED or column.name == "score_used":
        return column.rule in changed or CHOSEN in changed
    return column.rule in changed


class _Columns:
    """SQL of the columns of TIN/NPIs `n`, and of what is joined to these for them."""

    def __init__(self, plan: Plan, *, carried: bool = False, alike: str = "") -> None:
        self.words, self._tables, self._kinds = Words(plan), plan.tables, _kinds(plan)
        self._alike, self._key = alike, f"{alike}_id" if alike else "id"
        self._parent = f"{alike or TIN_NPI}_id"
        self._joins: dict[str, str] = {}
        self._used_columns: dict[str, str] = {}
        self._of_used: dict[str, str] = {}
        self._carried = carried
        self.reads: set[str] = set()

    def sql(self, column: Column) -> str:
        match column.name:
            case "tin" | "npi":
                return f"n.{column.name}"
            case "practice_size":
                return f"CAST({self._size()}.clinicians AS INTEGER)"
            case "reports_as_group":
                return f"{self._score('group')}.id IS NOT NULL"
            case "score_used":
                return self._used(column, _of(_member(sql.column("kind"), self._kinds), "s"))
            case "covered_charges":
                self._join("charged", "JOIN tin_npi charged ON charged.id = n.id")
                return _charges("charged")
        if column.of == USED:
            table = self._tables[column.rule]
            self.reads.add(table)
            self._of_used.setdefault(table, f"LEFT JOIN {table} ON {table}.id = s.scoring_unit_id")
            return self._used(column, self.words.outcome(column.rule, table))
        return self.words.outcome(column.rule, self._results(column))

    def joins(self) -> str:
        """What the columns asked for so far are read from."""
        used = [] if not self._used_columns else [self._scores_used()]
        return " ".join([*used, *self._joins.values()])

    def _join(self, alias: str, join: str) -> str:
        self._joins.setdefault(alias, join)
        return alias

    def _results(self, column: Column) -> str:
        """The results of a column's rule, for the record whose outcome it is."""
        table, record = self._tables[column.rule], self._record(column)
        alias = f"{column.of}_{table}"
        self.reads.add(table)
        return self._join(alias, f"LEFT JOIN {table} {alias} ON {alias}.id = {record}")

    def is_own(self, column: Column) -> bool:
        """Whether an outcome of TIN/NPIs is one that those who are alike do not have alike."""
        return self.words.rules[column.rule].entity != self._alike

    def _record(self, column: Column) -> str:
        of = column.of
        if of == TIN_NPI:
            return "n.id" if self.is_own(column) else f"n.{self._key}"
        if of == PRACTICE:
            return f"{self._practice()}.scoring_unit_id"
        score = self._score("group" if of == GROUPED else "individual")
        return f"{score}.{'scoring_unit_id' if of == INDIVIDUAL else 'clinician_id'}"

    def _score(self, kind: str) -> str:
        """The score of a kind that a TIN/NPI can have."""
        self.reads.add(SCORE)
        number, alias = self._kinds.members.index(kind), f"{kind}_score"
        on = f"{alias}.tin_npi_id = n.id AND {alias}.kind = {number}"
        return self._join(alias, f"LEFT JOIN {SCORE} {alias} ON {on}")

    def _used(self, column: Column, written: str) -> str:
        """A column of the score `s` that is used, or of its unit."""
        self._used_columns[column.name] = f"{written} AS {column.name}"
        return f"{USED}.{column.name}"

    def _scores_used(self) -> str:
        """The scores that are used, with what is asked of them."""
        chosen = self._tables[CHOSEN]
        self.reads.add(chosen)
        source, where = f"{chosen} s", f"s.{CHOSEN}"
        if not self._carried:
            self.reads.add(SCORE)
            source = f"{SCORE} s JOIN {chosen} c ON c.id = s.id"
            where = self.words.outcome(CHOSEN, "c")
        listed = ", ".join([f"s.{self._parent}", *self._used_columns.values()])
        query = f"SELECT {listed} FROM {source} {' '.join(self._of_used.values())} WHERE {where}"
        return f"LEFT JOIN ({query}) {USED} ON {USED}.{self._parent} = n.{self._key}"

    def _practice(self) -> str:
        """The practice's unit."""
        self.reads.add("unit_names")
        query = "SELECT id AS scoring_unit_id, tin FROM unit_names WHERE entity_type = 'group'"
        return self._join(PRACTICE, f"LEFT JOIN ({query}) {PRACTICE} ON {PRACTICE}.tin = n.tin")

    def _size(self) -> str:
        """How many TIN/NPIs a practice has."""
        query = "SELECT part_key, COUNT(*) AS clinicians FROM tin_npi GROUP BY part_key"
        return self._join("size", f"JOIN ({query}) size ON size.part_key = n.part_key")


def _kinds(plan: Plan) -> Enumeration:
    """The kinds of final score that a TIN/NPI can have."""
    found = next(
        key.type for one in plan.program.entities if one.name == SCORE
        for key in one.keys if key.name == "kind"
    )  # fmt: skip
    assert isinstance(found, Enumeration)
    return found
