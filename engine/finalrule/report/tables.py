"""The report's tables, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

from finalrule.report import cells, words
from finalrule.report.cells import Cell, Column, Row, Table, text
from finalrule.report.model import (
    NEGATIVE,
    Counted,
    Eligibility,
    Participants,
    PracticeSize,
    Summary,
    Total,
)
from finalrule.report.scan import ELIGIBLE, NOT_ELIGIBLE, added

_EVERYBODY = "Clinicians are TIN/NPIs."
_ADJUSTED = "Clinicians (TIN/NPIs) to whom a payment adjustment applies."
_CHARGES = "Charges are those that adjustments multiply (covered_charges), in millions of dollars."
_AMOUNTS = "Amounts are sums of what was printed for each clinician, in millions of dollars."
_PUBLISHED = "Published"


def tables(summary: Summary, cites: Mapping[str, str]) -> tuple[Table, ...]:
    """Every table of a report. `cites` are the citations of the policy's figures, by name; empty
    where they are not at hand."""
    made = [
        make(summary)
        for make in (
            eligibility, exclusions, eligibility_status, practice_sizes, scores, histogram,
            adjustments, score_used, budget, rounding, lambda one: figures(one, cites), rows_read,
            rejected, undetermined,
        )
    ]  # fmt: skip
    if summary.participants is not None:
        made.append(participants(summary, summary.participants))
    return tuple(made)


def eligibility(summary: Summary) -> Table:
    """Table 113."""
    known = summary.published is not None
    by_row = {one.row: one for one in summary.eligibility}
    columns = [
        Column("Eligibility", "eligibility"), Column("Clinicians", "clinicians"),
        Column("Share of all", "share_percent"), Column("Charges ($ million)", "charges_usd"),
    ]  # fmt: skip
    if known:
        columns += [
            Column("Clinicians", "published_clinicians", _PUBLISHED),
            Column("Off by", "clinicians_off_percent", _PUBLISHED),
            Column("Charges ($ million)", "published_charges_usd", _PUBLISHED),
            Column("Off by", "charges_off_percent", _PUBLISHED),
        ]

    def row(title: str, of: Sequence[Eligibility], total: bool = False) -> Row:
        sums = added(one.total for one in of)
        made = [
            text(title), cells.count(sums.clinicians), _part(sums, summary.all),
            cells.millions(sums.charges),
        ]  # fmt: skip
        if known:
            people = sum((one.published_clinicians or Fraction(0) for one in of), Fraction(0))
            charges = sum((one.published_charges or Fraction(0) for one in of), Fraction(0))
            made += [
                cells.count(people) if people else cells.nothing(),
                cells.off(sums.clinicians, people), cells.millions(charges or None),
                cells.off(Fraction(sums.charges), charges),
            ]  # fmt: skip
        return Row(tuple(made), total)

    def rows(names: Iterable[str]) -> list[Row]:
        return [row(words.ROWS[name], [by_row[name]]) for name in names]

    made = [
        *rows(ELIGIBLE),
        row("All MIPS eligible", [by_row[name] for name in ELIGIBLE], total=True),
        *rows(NOT_ELIGIBLE),
        row("All not MIPS eligible", [by_row[name] for name in NOT_ELIGIBLE], total=True),
    ]
    if by_row["undetermined"].total.clinicians:
        made += rows(["undetermined"])
    made.append(row("All clinicians", summary.eligibility, total=True))
    notes = [*words.ROWS_SAID, _contradiction(summary)]
    if known:
        notes += [
            words.source(summary, "eligibility"),
            "Published charges are allowed charges of 2016 and 2017.",
        ]
    return Table(
        "eligibility", "Eligibility and participation", f"{_EVERYBODY} {_CHARGES}",
        tuple(columns), made, ("42 CFR 414.1305", "42 CFR 414.1310"), tuple(notes),
    )  # fmt: skip


def _contradiction(summary: Summary) -> str:
    if not summary.contradictions:
        return "An adjustment applies to those who are MIPS eligible, and to nobody else."
    return (
        f"For {summary.contradictions:,} clinicians the row of this table says otherwise than "
        "whether an adjustment applies to them."
    )


def exclusions(summary: Summary) -> Table:
    """Why the excluded are excluded."""
    return _counted(
        summary, "exclusions", "Why clinicians are excluded", "Reason", "reason",
        summary.exclusions, ("42 CFR 414.1310(b)", "42 CFR 414.1310(c)"),
    )  # fmt: skip


def eligibility_status(summary: Summary) -> Table:
    """The rule's outcomes, of individuals."""
    return _counted(
        summary, "eligibility_status", "Eligibility status of individuals", "Status", "status",
        summary.eligibility_status, ("42 CFR 414.1305 (mips eligible clinician)",),
        ("The outcome for the unit that is the individual.",),
    )  # fmt: skip


def score_used(summary: Summary) -> Table:
    """Which of a clinician's scores makes the adjustment."""
    return _counted(
        summary, "score_used", "Final score that is used", "Score of the", "score_used",
        summary.score_used,
        ("42 CFR 414.1310(e)(1)", "42 CFR 414.1315(a)(2)", "42 CFR 414.1370(f)(2)"),
        ("None: no adjustment applies.",),
    )  # fmt: skip


def _counted(
    summary: Summary, name: str, title: str, first: str, column: str, counted: Sequence[Counted],
    cites: tuple[str, ...], notes: tuple[str, ...] = (),
) -> Table:  # fmt: skip
    rows = [
        Row((text(words.words(one.outcome or "undetermined")), cells.count(one.total.clinicians),
             _part(one.total, summary.all), cells.millions(one.total.charges)))
        for one in counted
    ]  # fmt: skip
    columns = (
        Column(first, column), Column("Clinicians", "clinicians"),
        Column("Share of all", "share_percent"), Column("Charges ($ million)", "charges_usd"),
    )  # fmt: skip
    return Table(name, title, f"{_EVERYBODY} {_CHARGES}", columns, rows, cites, notes)


def practice_sizes(summary: Summary) -> Table:
    """Table 114."""
    columns = (
        Column("Practice size", "practice_size"), Column("Sent data", "sent_data"),
        Column("Figures", "figures"),
        Column("Clinicians", "clinicians"),
        Column("Positive or neutral", "positive_or_neutral_percent"),
        Column("Exceptional", "exceptional_percent"), Column("Negative", "negative_percent"),
        Column("Combined impact", "impact_percent"),
        Column("Charges ($ million)", "charges_usd"), Column("Amount ($ million)", "amount_usd"),
    )  # fmt: skip
    rows = [row for one in summary.practice_sizes for row in _practice_size(one)]
    notes = [
        "Combined impact: all adjustments together as a share of charges.",
        "Practice size: clinicians of the TIN. Sent data: of their own, or of a group or entity "
        "whose score they may have.",
    ]
    if summary.published is not None:
        notes.append(words.source(summary, "submitting"))
        notes.append("Published negative adjustments are one share; the chart shows them as one.")
    return Table(
        "practice_sizes", "Impact by practice size", f"{_ADJUSTED} {_CHARGES} {_AMOUNTS}", columns,
        rows, ("42 CFR 414.1405",), tuple(notes),
    )  # fmt: skip


def _practice_size(one: PracticeSize) -> list[Row]:
    """The run's row, and the published one below it where there is one."""
    first = (text(one.size), text("yes" if one.submitting else "no"))
    positive = ("at_threshold", "above_threshold", "exceptional")
    numbers = (
        text("run"), cells.count(one.total.clinicians), cells.share(one.share(*positive)),
        cells.share(one.share("exceptional")), cells.share(one.share(*NEGATIVE)),
        cells.share(one.impact(), 1, signed=True), cells.millions(one.total.charges),
        cells.millions(one.total.amount),
    )  # fmt: skip
    rows = [Row((*first, *numbers), total=one.size == "all")]
    if one.published:
        stated = one.published
        shares = (cells.share(stated.get(name))
                  for name in ("positive_or_neutral", "exceptional", "negative"))  # fmt: skip
        impact = cells.share(stated.get("impact"), 1, signed=True)
        published = (text("published"), cells.count(stated["clinicians"]), *shares, impact)
        rows.append(Row((*first, *published, cells.nothing(), cells.nothing()), beside=True))
    return rows


def scores(summary: Summary) -> Table:
    """Mean and median final scores."""
    columns = (
        Column("Practice size", "practice_size"), Column("Clinicians", "clinicians"),
        Column("Mean", "mean_points"), Column("Median", "median_points"),
        Column("Least", "least_points"), Column("Greatest", "greatest_points"),
    )  # fmt: skip
    rows = [
        Row((text(one.size), cells.count(one.clinicians), cells.points(one.mean),
             cells.points(one.median), cells.points(one.least), cells.points(one.greatest)),
            total=one.size == "all")
        for one in summary.scores
    ]  # fmt: skip
    return Table(
        "scores", "Final scores by practice size", f"{_ADJUSTED} Scores are points.", columns, rows,
        ("42 CFR 414.1380(c)",),
        ("Practice size: clinicians of the TIN. The median of an even number is halfway between "
         "the two in the middle.",),
    )  # fmt: skip


def histogram(summary: Summary) -> Table:
    """Final scores in steps of five points, cut at the thresholds."""
    columns = (
        Column("Final score", "final_score"), Column("Where", "region"),
        Column("Clinicians", "clinicians"), Column("Share", "share_percent"),
        Column("Mean score", "mean_score_points"),
        Column("Mean adjustment", "mean_adjustment_percent"),
    )  # fmt: skip
    rows = [
        Row((text(words.between(one.low, one.high)), text(words.REGIONS[one.region]),
             cells.count(one.clinicians),
             cells.share(Fraction(one.clinicians, summary.adjusted.clinicians), 2),
             cells.points(one.mean_score), cells.percent(one.mean_adjustment)))
        for one in summary.bins
    ]  # fmt: skip
    return Table(
        "histogram", "Final scores in steps of five points", f"{_ADJUSTED} Scores are points.",
        columns, rows, ("42 CFR 414.1380(c)",),
        ("A step has its lower end and not its upper one, except 100, and except the end of the "
         "lowest quarter, which is in it.",),
    )  # fmt: skip


def adjustments(summary: Summary) -> Table:
    """Who gets which kind of adjustment."""
    columns = (
        Column("Final score", "final_score"), Column("Clinicians", "clinicians"),
        Column("Share", "share_percent"), Column("Least", "least_percent"),
        Column("Greatest", "greatest_percent"),
        Column("Charges ($ million)", "charges_usd"),
        Column("Reductions ($ million)", "reductions_usd"),
        Column("Increases ($ million)", "increases_usd"),
        Column("Additional ($ million)", "additional_payments_usd"),
    )  # fmt: skip

    def row(first: str, total: Total, ends: Iterable[Cell], last: bool) -> Row:
        return Row(
            (text(first), cells.count(total.clinicians), _part(total, summary.adjusted), *ends,
             cells.millions(total.charges), cells.millions(total.reductions),
             cells.millions(total.increases), cells.millions(total.additional_payments)), last,
        )  # fmt: skip

    rows = [
        row(words.REGIONS[one.region], one.total,
            (cells.percent(one.least), cells.percent(one.greatest)), False)
        for one in summary.adjustments
        if one.region != "exceptional" or "additional_performance_threshold" in summary.figures
    ]  # fmt: skip
    ends = (cells.percent(summary.least()), cells.percent(summary.greatest()))
    rows.append(row("All", summary.adjusted, ends, True))
    return Table(
        "adjustments", "Clinicians by payment adjustment", f"{_ADJUSTED} {_CHARGES} {_AMOUNTS}",
        columns, rows, ("42 CFR 414.1405(b)(1)", "42 CFR 414.1405(b)(2)", "42 CFR 414.1405(d)(1)"),
        ("Least and greatest total adjustment among them, in percent, as printed.",),
    )  # fmt: skip


def budget(summary: Summary) -> Table:
    """Whether increases are reductions, on unrounded factors."""
    one = summary.budget
    neutral, additional = "42 CFR 414.1405(b)(3)", "42 CFR 414.1405(d)(1)"
    stated, none = summary.published_program, cells.nothing()
    redistributed = cells.usd(stated["redistributed"]) if stated else none
    lines = [
        ("Reductions", cells.usd(one.reductions), none, redistributed, neutral),
        ("Increases before scaling", cells.usd(one.unscaled_increases), none, none, neutral),
        ("Scaling factor", cells.factor(one.scaling_factor),
         _limit(summary, "scaling_factor_limit", cells.factor), none, neutral),
        ("Increases", cells.usd(one.increases), none, redistributed, neutral),
        ("Reductions less increases", cells.usd(one.undistributed()), none, none, neutral),
        ("Additional payments before scaling", cells.usd(one.unscaled_additional_payments), none,
         none, additional),
        ("Scaling factor of the additional factor", cells.factor(one.additional_scaling_factor),
         _limit(summary, "additional_factor.scaling_limit", cells.factor), none, additional),
        ("Additional payments", cells.usd(one.additional_payments),
         _limit(summary, "additional_factor.funds", cells.usd), none, additional),
        ("Greatest total adjustment", cells.percent(summary.greatest()), none,
         cells.share(stated["greatest_adjustment"]) if stated else none, "42 CFR 414.1405(e)"),
    ]  # fmt: skip
    columns = [
        Column("Of the whole program", "what"), Column("This run", "value"),
        Column("At most", "limit"), Column("Published", "published"), Column("Source", "cite"),
    ]  # fmt: skip
    rows = [Row((text(what), *numbers, text(cite))) for what, *numbers, cite in lines]
    if not stated:
        del columns[3]
        rows = [Row((*row.cells[:3], row.cells[4])) for row in rows]
    notes = [words.source(summary, "redistributed")] if stated else []
    if summary.published is not None and summary.published.scale != 1:
        notes.append(
            "The funds of additional payments are the nation's and are not scaled: a part of the "
            "nation gets more of them."
        )
    return Table(
        "budget", "Budget neutrality", "Sums of exact amounts, on unrounded factors, in dollars.",
        tuple(columns), rows, (neutral, additional), tuple(notes),
    )  # fmt: skip


def participants(summary: Summary, one: Participants) -> Table:
    """Who is a QP, and what QPs are paid."""
    stated = one.published

    def line(what: str, cell: Cell, of: str, shown: Callable[[Fraction], Cell], cite: str) -> Row:
        ends = [shown(stated[f"{end}_{of}"]) if f"{end}_{of}" in stated else cells.nothing()
                for end in ("least", "most")]  # fmt: skip
        return Row((text(what), cell, *ends, text(cite)))

    def counted(value: Fraction | None) -> Cell:
        return cells.nothing("undetermined") if value is None else cells.count(value)

    rows = [
        line("Qualifying APM Participants", counted(one.qps), "clinicians", cells.count,
             "42 CFR 414.1425(c)"),
        line("Partial QPs", counted(one.partial_qps), "partial_qps", cells.count,
             "42 CFR 414.1425(d)"),
        line("APM Incentive Payments", cells.usd(one.payments), "payments", cells.usd,
             "42 CFR 414.1450(b)"),
    ]  # fmt: skip
    columns = (
        Column("Of the whole program", "what"), Column("This run", "value"),
        Column("From", "published_from", _PUBLISHED), Column("To", "published_to", _PUBLISHED),
        Column("Source", "cite"),
    )  # fmt: skip
    notes = [words.source(summary, "qualifying_participants")] if stated else []
    return Table(
        "participants", "Qualifying APM Participants",
        "Clinicians are NPIs in Advanced APMs, under whichever TINs; payments are dollars.",
        columns, rows, ("42 CFR 414.1425", "42 CFR 414.1450"), tuple(notes),
    )  # fmt: skip


def _limit(summary: Summary, figure: str, shown: Callable[[Fraction], Cell]) -> Cell:
    return shown(summary.figures[figure]) if figure in summary.figures else cells.nothing()


def rounding(summary: Summary) -> Table:
    """What rounding adds or takes away."""
    columns = (
        Column("Of the whole program", "what"),
        Column("Unrounded", "exact_usd"),
        Column("Sum", "by_factors_usd", "Charges times printed factors"),
        Column("Difference", "factors_difference_usd", "Charges times printed factors"),
        Column("Sum", "by_amounts_usd", "Printed amounts"),
        Column("Difference", "amounts_difference_usd", "Printed amounts"),
    )
    rows = []
    for one in summary.rounding:
        made = [text(words.ROUNDED[one.what]), cells.usd(one.exact)]
        for value in (one.by_factors, Fraction(one.by_amounts)):
            difference = None if one.exact is None else value - one.exact
            made += [cells.usd(value), cells.usd(difference)]
        rows.append(Row(tuple(made), total=one.what == "all_together"))
    return Table(
        "rounding", "What rounding changes", "Dollars, over all clinicians.", columns, rows,
        ("42 CFR 414.1405(e)",),
        ("Printed: rounded as the policy states. The regulation states no rounding.",
         "All together is by the printed total adjustment, which is rounded once."),
    )  # fmt: skip


FIGURES: Mapping[str, tuple[str, Callable[[Fraction | None], Cell]]] = {
    "performance_threshold": ("Performance threshold (points)", cells.points),
    "additional_performance_threshold": (
        "Additional performance threshold (points)", cells.points),
    "applicable_percent": ("Applicable percent", lambda value: cells.share(value, 2)),
    "scaling_factor_limit": ("Most that the scaling factor can be", cells.factor),
    "additional_factor.at_threshold": (
        "Additional factor at its threshold, before scaling",
        lambda value: cells.share(value, 2)),
    "additional_factor.at_100": (
        "Additional factor at 100 points, before scaling", lambda value: cells.share(value, 2)),
    "additional_factor.funds": ("Most that all additional payments can be", cells.usd),
    "additional_factor.scaling_limit": (
        "Most that the scaling factor of the additional factor can be", cells.factor),
}  # fmt: skip


def figures(summary: Summary, cites: Mapping[str, str]) -> Table:
    """The policy's figures that decide most."""
    rows = [
        Row((text(title), shown(summary.figures[name]),
             text(cites.get(name, cells.DASH))))
        for name, (title, shown) in FIGURES.items()
        if name in summary.figures
    ]  # fmt: skip
    notes = () if cites else ("The policy has changed since the run: its citations are not shown.",)
    return Table(
        "figures", f"Figures of {summary.policy}", "As the policy states them.",
        (Column("Figure", "figure"), Column("Value", "value"), Column("Source", "cite")), rows, (),
        notes,
    )  # fmt: skip


def rows_read(summary: Summary) -> Table:
    """Which tables were read."""
    rows = [
        Row((text(name), cells.count(count), cells.count(sum(_rejected(summary, name).values()))))
        for name, count in summary.rows.items()
    ]
    return Table(
        "rows", "Tables of facts", "Rows that were read, and of them those that were rejected.",
        (Column("Table", "table"), Column("Rows", "rows"), Column("Rejected", "rejected")), rows,
    )  # fmt: skip


def _rejected(summary: Summary, table: str) -> Mapping[str, int]:
    return summary.rejected.get(table, {})


def rejected(summary: Summary) -> Table:
    """Why rows were rejected."""
    rows = [
        Row((text(name), text(reason), cells.count(count)))
        for name, reasons in summary.rejected.items()
        for reason, count in reasons.items()
    ]
    return Table(
        "rejected", "Rejected rows", "Rows that no outcome rests on; rejected.parquet has them.",
        (Column("Table", "table"), Column("Reason", "reason"), Column("Rows", "rows")), rows,
        notes=() if rows else ("No row was rejected.",),
    )  # fmt: skip


def undetermined(summary: Summary) -> Table:
    """What the facts do not suffice for."""
    rows = [
        Row((text(words.UNDETERMINED[name]), cells.count(count)))
        for name, count in summary.undetermined.items()
    ]
    return Table(
        "undetermined", "Undetermined", "Clinicians (TIN/NPIs) for whom a fact is missing.",
        (Column("What is not determined", "what"), Column("Clinicians", "clinicians")), rows,
        notes=("No sum or share counts what is not determined.",),
    )  # fmt: skip


def _part(total: Total, of: Total) -> Cell:
    return cells.share(Fraction(total.clinicians, of.clinicians) if of.clinicians else None)
