"""Expressions written back: the text means what it was made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from finalrule.core import ir
from finalrule.core.compile import Compiled, compile_policy
from finalrule.core.elaborate import elaborate
from finalrule.core.scope import Scope
from finalrule.core.text import Names, expression_text, names_in
from finalrule.diagnostics import Report
from finalrule.language import syntax as s
from finalrule.language.parse import parse
from finalrule.policy.resolve import load_policy
from finalrule.source import Source
from finalrule.values import YES_NO, Type

RULES = """module mips.small
type way: one of {ecqm, claims, none}
entity program
fact program.factor: ratio[0..3] may be unknown
entity unit of program
fact unit.kind: one of {individual, group} required
fact unit.small: yes_no required
fact unit.score: points[0..100] required
fact unit.risk: ratio[0..100] required
fact unit.part: percent[0..100] required
fact unit.charges: usd[0..1000000] required
fact unit.patients: count[0..1000] required
fact unit.length: days[0..400] required
fact unit.rated: rate[0..100] required
fact unit.begin: date required
fact unit.until: date required
fact unit.place: code required
entity result of unit
  key measure: code
  key way: way
fact result.got: points[0..10] required
fact result.done: yes_no required
fact result.cases: count[0..1000] required
catalogue bench by (measure: code, way: way)
  field cap: yes_no
  field instead: code
  field other_way: way
  field top: rate[0..100]
parameter p.limit: points[0..100]
parameter p.share: percent[0..100]
parameter p.places: codes
rounding whole of points
rounding percents of percent
rule eligible for unit: yes_no
  cites "42 CFR 414.1305"
  clause small: yes when small
  clause large: no otherwise
rule how for unit: way
  cites "42 CFR 414.1305"
  clause small: ecqm when small
  clause large: claims otherwise
rule total for unit: points[0..100]
  cites "42 CFR 414.1305"
  clause one: score always
rule home for unit: yes_no
  cites "42 CFR 414.1305"
  let half = score / 2
  let chosen = how
  let near = first_known(place, "A1")
  clause one: yes always
"""

YEAR = """policy: 2020-final
title: small
performance_year: 2020
payment_year: 2022
stage: final
tracks: [mips]
published: {title: small, date: 2019-11-15, cite: 84 FR 63194}
parameters:
  p.limit: {value: 60 points, unit: points, cite: 42 CFR 414.1305}
  p.share: {value: 45%, unit: percent, cite: 42 CFR 414.1305}
  p.places: {value: [A1, B2], unit: codes, cite: 42 CFR 414.1305}
rounding:
  whole: {places: 0, mode: half_up, unit: points, cite: 42 CFR 414.1305}
  percents: {places: 2, mode: half_up, unit: percent, cite: 42 CFR 414.1305}
catalogues:
  bench: {path: bench.csv, cite: 42 CFR 414.1305}
"""


@dataclass(repr=False)
class Small:
    """A compiled policy whose rule `home` is where the expressions of these tests stand."""

    compiled: Compiled
    names: Names

    def read(self, text: str, expected: Type | None = None) -> tuple[ir.Expr | None, str]:
        """The expression in the core; None with the errors where it has any."""
        report = Report()
        head = 'module mips.probe rule probe for unit: yes_no cites "x" let it = '
        source = Source("probe", f"{head}{text}\nclause one: yes always")
        module = parse(source, report)
        if module is None:
            return None, "\n".join(d.render() for d in report.diagnostics)
        (rule,) = module.statements
        assert isinstance(rule, s.RuleSyntax)
        work = self.compiled.work
        scope = Scope(work.known, source, "unit", frozenset(work.in_force), report)
        for let in work.in_force["home"].syntax.lets:
            home = Scope(work.known, work.in_force["home"].source, "unit", scope.in_force, report)
            home.lets = dict(scope.lets)
            scope.lets[let.name.text] = elaborate(let.value, home).type
        expr = elaborate(rule.lets[0].value, scope, expected).expr
        errors = "\n".join(d.render() for d in report.diagnostics)
        return (None if report.has_errors else expr), errors

    def text(self, expr: ir.Expr, expected: Type | None = None) -> str:
        return expression_text(expr, names=self.names, expected=expected)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINALRULE_CACHE", "")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    root = tmp_path_factory.mktemp("policies")
    (root / "2020").mkdir()
    (root / "2020" / "final.yaml").write_text(YEAR)
    (root / "sources.yaml").write_text("{}")
    (root / "bench.csv").write_text("measure,way,cap,instead,other_way,top\n")
    policy = load_policy(root / "2020" / "final.yaml", root)
    compiled = compile_policy(policy, [Source("small.rules", RULES)])
    home = next(rule for rule in compiled.program.rules if rule.name == "home")
    return Small(compiled, names_in(compiled.program, home))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        # what is written is what is shown
        ("score * 45% + 2 points >= params.p.limit", None),
        ("-score * -2", None),
        ("score - (score - 2 points)", None),
        ("score - -2 points", None),
        ("risk / (patients * 2) zero gives 0", None),
        ("(patients / patients zero gives 1) * 2", None),
        ("(risk + 0.5) as points", None),
        ("-risk as points", None),
        ("(-risk) as points", None),
        ("not (small and eligible) or small", None),
        ("(small or eligible) and not small", None),
        ("all of (small, eligible) and small", None),
        ("none of (small, eligible)", None),
        ("at least 2 of (small, eligible, small or eligible)", None),
        ("kind is group or kind is not group", None),
        ("how in {ecqm, none} and not chosen in {ecqm, claims}", None),
        ('place == "none" or place in {"a", "B2"} or place in params.p.places', None),
        ('lookup(bench.instead by ("236", none), none gives "none") == place', None),
        ("lookup(bench.other_way by (near, chosen), none gives none) is ecqm", None),
        ('listed(bench by ("236", how))', None),
        ("sum(got * 2 over result where done and unit.small)", None),
        ("average(got over result, empty gives 0 points) > half", None),
        ("share(result where measure == unit.place, empty gives 0) < 0.5", None),
        ("every(result where way is ecqm) or any(result)", None),
        ("days_between(begin, until) >= 90 days or begin < 2020-01-01", None),
        ("round(min(score, 100 points), whole)", None),
        ("program.factor * part", None),
        # one of several ways to write the same
        ("all of (small, eligible)", "small and eligible"),
        ("any of (small, all of (eligible, small))", "small or eligible and small"),
        ("((small)) and (eligible and small)", "small and eligible and small"),
        ("none of (small)", "not small"),
        ("not (how is ecqm)", "how is not ecqm"),
        ("how in {ecqm}", "how is ecqm"),
        ("- -score", "-(-score)"),
        ("charges > $90000.00", "charges > $90,000"),
        ("length >= 90", "length >= 90 days"),
        ("1 points + score", "1 point + score"),
        ("unit.score", "score"),
        ("patients > risk", "patients as ratio > risk"),
    ],
)  # fmt: skip
def test_written_back(small: Small, written: str, shown: str | None) -> None:
    expr, errors = small.read(written)
    assert expr is not None, errors
    assert small.text(expr) == (shown or written)
    assert small.read(shown or written)[0] == expr


def test_a_member_stands_bare_where_its_type_is_asked_for(small: Small) -> None:
    type_ = small.compiled.work.known.types["way"]
    expr, errors = small.read("first_known(how, none)", type_)
    assert expr is not None, errors
    assert small.text(expr, type_) == "first_known(how, none)"
    assert small.text(ir.Text("none"), type_) == "none"
    assert small.text(ir.Text("none")) == '"none"'


def test_without_names_facts_have_their_entity(small: Small) -> None:
    expr, _ = small.read("kind is group and sum(got over result where done) > score")
    assert expr is not None
    assert expression_text(expr) == (
        "unit.kind is group and sum(result.got over result where result.done) > unit.score"
    )


def test_a_note_stands_after_what_is_read_but_not_inside_an_aggregate(small: Small) -> None:
    expr, _ = small.read("score > params.p.limit and any(result where got > params.p.limit)")
    assert expr is not None

    def note(node: ir.Expr) -> str:
        return " (60 points)" if isinstance(node, ir.Param) else ""

    assert expression_text(expr, note, small.names) == (
        "score > params.p.limit (60 points) and any(result where got > params.p.limit)"
    )


# --- any expression of the grammar ---------------------------------------------------------------

OR, AND, NOT, COMPARISON, SUM, PRODUCT, UNARY, CAST, ATOM = range(9)

LEAVES = {
    "points": ["10 points", "7.5 points", "params.p.limit", "score", "total", "half"],
    "percent": ["45%", "0.5%", "params.p.share", "part"],
    "usd": ["$90,000", "$0.5", "charges"],
    "count": ["20", "patients", "count(result)"],
    "ratio": ["2", "0.25", "risk", "program.factor"],
    "rate": ["7", "62.5", "rated", 'lookup(bench.top by ("236", ecqm), none gives 50)'],
    "days": ["90 days", "length", "days_between(begin, until)", "days_between(until, 2020-10-01)"],
    "yes_no": ["yes", "no", "small", "eligible", "any(result)", "listed(bench by (near, chosen))",
               "lookup(bench.cap by (place, how), none gives no)"],
}  # fmt: skip
INNER = {"points": ["got", "3 points"], "count": ["cases", "2"], "yes_no": ["done", "unit.small"]}


@dataclass
class Maker:
    """Draws the text of a well-typed expression, as tight as its place asks for."""

    data: st.DataObject
    inner: bool = False

    def pick(self, options: list[str]) -> str:
        return self.data.draw(st.sampled_from(options))

    def chance(self) -> bool:
        return self.data.draw(st.booleans())

    def make(self, kind: str, depth: int, least: int = OR) -> str:
        text, level = self.any(kind, depth)
        if level < least or (least < ATOM and depth > 1 and self.pick(list("abcde")) == "e"):
            return f"({text})"
        return text

    def any(self, kind: str, depth: int) -> tuple[str, int]:
        leaves = INNER.get(kind) if self.inner else LEAVES[kind]
        if depth <= 0 or (leaves and self.pick(list("abcd")) == "d"):
            text = self.pick(leaves or LEAVES[kind][:1])
            return text, ATOM
        return self.logic(depth - 1) if kind == "yes_no" else self.number(kind, depth - 1)

    def number(self, kind: str, depth: int) -> tuple[str, int]:
        def make(least: int = OR, other: str = kind) -> str:
            return self.make(other, depth, least)

        ways: dict[str, Callable[[], tuple[str, int]]] = {
            "sum": lambda: (f"{make(SUM)} {self.pick(['+', '-'])} {make(PRODUCT)}", SUM),
            "product": lambda: (f"{make(PRODUCT)} * {make(UNARY, 'count')}", PRODUCT),
            "division": lambda: (f"{make(PRODUCT)} / {self.divisor('patients', 'cases')}", PRODUCT),
            "by_zero": lambda: (
                f"{make(PRODUCT)} / {self.divisor('patients', 'cases', True)}"
                f" zero gives {make(UNARY)}",
                PRODUCT,
            ),
            "minus": lambda: ("- " + make(UNARY), UNARY),
            "extreme": lambda: (f"{self.pick(['min', 'max'])}({make()}, {make()})", ATOM),
            "first": lambda: (f"first_known({make()}, {make()})", ATOM),
        }
        if not self.inner:
            ways["fold"] = lambda: (self.fold(kind, depth), ATOM)
        if kind == "points":
            ways["round"] = lambda: (f"round({make()}, whole)", ATOM)
        if kind in ("points", "rate"):
            ways["as"] = lambda: (f"{make(CAST, 'ratio')} as {kind}", CAST)
        if kind == "ratio":
            ways["as"] = lambda: (f"{make(CAST, 'percent')} as ratio", CAST)
            ways["part"] = lambda: (
                f"{make(PRODUCT, 'points')} / {self.divisor('score', 'got', True)}"
                f" zero gives {make(UNARY)}",
                PRODUCT,
            )
        return ways[self.pick(list(ways))]()

    def divisor(self, outer: str, inner: str, zero: bool = False) -> str:
        """A divisor that may be zero, or one that cannot: only the first keeps `zero gives`."""
        fact = inner if self.inner else outer
        one = "1 point" if outer == "score" else "1"
        may_be = [fact, f"-{fact}", f"({fact} - {one})", f"min({fact}, {one})"]
        return self.pick(may_be if zero else ["4", "-2", f"({fact} + {one})", f"max({fact}, 2)"])

    def fold(self, kind: str, depth: int) -> str:
        within = Maker(self.data, inner=True)
        item = within.make("points" if kind == "points" else "count", depth)
        where = f" where {within.make('yes_no', depth)}" if self.chance() else ""
        if kind == "ratio":
            return f"share(result{where}, empty gives {self.make('ratio', 0)})"
        if kind == "count" and self.chance():
            return f"count(result{where})"
        if kind not in ("points", "count"):
            return self.make(kind, 0)
        op = self.pick(["sum", "average", "greatest", "least"])
        empty = "" if op == "sum" else f", empty gives {self.make(kind, 0)}"
        return f"{op}({item} over result{where}{empty})"

    def logic(self, depth: int) -> tuple[str, int]:
        def make(least: int = OR, kind: str = "yes_no") -> str:
            return self.make(kind, depth, least)

        def compare() -> tuple[str, int]:
            kind = self.pick(["points", "count"] if self.inner else list(LEAVES))
            signs = ["==", "!="] if kind == "yes_no" else ["<", "<=", ">", ">=", "==", "!="]
            return f"{make(SUM, kind)} {self.pick(signs)} {make(SUM, kind)}", COMPARISON

        def listed() -> str:
            return ", ".join(make() for _ in range(int(self.pick(["1", "2", "3"]))))

        def member() -> tuple[str, int]:
            item = self.pick(["way"] if self.inner else ["how", "chosen", "first_known(how, how)"])
            tests = ["is ecqm", "is not none", "in {claims}", "in {ecqm, none}"]
            return f"{item} {self.pick(tests)}", COMPARISON

        def code() -> tuple[str, int]:
            item = self.pick(["measure"] if self.inner else ["place", "near"])
            tests = ['== "none"', '!= "A1"', 'in {"none", "A1"}', "in params.p.places"]
            return f"{item} {self.pick(tests)}", COMPARISON

        ways: dict[str, Callable[[], tuple[str, int]]] = {
            "or": lambda: (f"{make(OR)} or {make(AND)}", OR),
            "and": lambda: (f"{make(AND)} and {make(NOT)}", AND),
            "not": lambda: (f"not {make(NOT)}", NOT),
            "of": lambda: (f"{self.pick(['all', 'any', 'none'])} of ({listed()})", ATOM),
            "at_least": lambda: (f"at least {self.pick(['1', '2'])} of ({listed()})", ATOM),
            "compare": compare,
            "member": member,
            "code": code,
        }
        if not self.inner:
            within = Maker(self.data, inner=True)
            ways["records"] = lambda: (
                f"{self.pick(['any', 'every'])}(result where {within.make('yes_no', depth)})",
                ATOM,
            )
        return ways[self.pick(list(ways))]()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_text_of_any_expression_means_the_same(small: Small, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(LEAVES)))
    written = Maker(data).make(kind, 4)
    expected = YES_NO if kind == "yes_no" else None
    expr, errors = small.read(written, expected)
    assume("unit-mismatch" not in errors)  # a bare number met the wrong company
    assume("wrong-arguments" not in errors)  # at least two of one
    assert expr is not None, f"{written}\n{errors}"
    shown = small.text(expr, expected)
    again, errors = small.read(shown, expected)
    assert again == expr, f"{written}\n{shown}\n{errors}"


def without_each_group(text: str) -> list[str]:
    """The text without one pair of the parentheses that group, for each of them."""
    opened, found = [], []
    for at, char in enumerate(text):
        if char == "(":
            opened.append(at)
        elif char == ")":
            start = opened.pop()
            before = text[:start].rstrip()
            groups = not before or not (before[-1].isalnum() or before[-1] == "_")
            if groups or before.endswith((" and", " or", "not", " where", " gives")):
                found.append(text[:start] + text[start + 1 : at] + text[at + 1 :])
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_parenthesis_is_needless(small: Small, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(LEAVES)))
    expected = YES_NO if kind == "yes_no" else None
    expr, _ = small.read(Maker(data).make(kind, 3), expected)
    assume(expr is not None)
    assert expr is not None
    shown = small.text(expr, expected)
    assume("zero gives" not in shown)  # these are set apart for the reader's sake
    for other in without_each_group(shown):
        assert small.read(other, expected)[0] != expr, f"{shown}\n{other}"
