"""The typed core: what a compiled policy is. Every reader of rules stands on this and nothing else.

A `Program` is one policy compiled: declarations, parameters with their values, and the rules in
force in dependency order. It is data (msgspec structs), so that it can be kept as JSON and read
back without the compiler.

An expression is evaluated for one record of an entity. Numbers are exact rationals in the unit's
quantity (45 % is 45/100). Logic is three-valued: a fact that is not known makes what needs it
undetermined.
"""

from __future__ import annotations

import datetime
from fractions import Fraction
from typing import Literal

import msgspec

from finalrule.source import Place
from finalrule.values import Mode, Number, Type, Unit


class Node(msgspec.Struct, frozen=True, tag=True, tag_field="node"):
    """Base of every expression."""


# --- constants ---------------------------------------------------------------------------------


class Num(Node, frozen=True, tag="num"):
    """A number in a unit's quantity; a bare number has the unit that its place asks for."""

    value: Fraction
    unit: Unit


class Bool(Node, frozen=True, tag="bool"):
    value: bool


class Text(Node, frozen=True, tag="text"):
    """A code, or a member of an enumeration."""

    value: str


class Day(Node, frozen=True, tag="day"):
    value: datetime.date


class CodeSet(Node, frozen=True, tag="codes"):
    values: tuple[str, ...]


Constant = Num | Bool | Text | Day | CodeSet

# --- reading -----------------------------------------------------------------------------------


class Param(Node, frozen=True, tag="param"):
    """A figure of the year file."""

    name: str


class Fact(Node, frozen=True, tag="fact"):
    """A fact or key of the record's own entity, of an ancestor, or of what one of them refers
    to."""

    entity: str
    name: str


class Outcome(Node, frozen=True, tag="outcome"):
    """A rule's outcome, at the record's own entity, an ancestor, or what one of them refers to.
    `output` is empty but for a table, which gives several."""

    rule: str
    output: str = ""


class Let(Node, frozen=True, tag="let"):
    """A let of the same rule, or a table's given column."""

    name: str


class Lookup(Node, frozen=True, tag="lookup"):
    """A field of a catalogue's record; `none` where there is no such record or its cell is
    empty."""

    catalogue: str
    field: str
    keys: tuple[Expr, ...]
    none: Expr


class Listed(Node, frozen=True, tag="listed"):
    """Whether the catalogue has a record with these keys."""

    catalogue: str
    keys: tuple[Expr, ...]


# --- arithmetic --------------------------------------------------------------------------------


class Arith(Node, frozen=True, tag="arith"):
    """`zero` is what a division gives when the divisor is zero; None where it cannot be."""

    op: Literal["+", "-", "*", "/"]
    left: Expr
    right: Expr
    unit: Unit
    zero: Expr | None = None


class Negate(Node, frozen=True, tag="negate"):
    item: Expr


class Extreme(Node, frozen=True, tag="extreme"):
    op: Literal["min", "max"]
    items: tuple[Expr, ...]


class Round(Node, frozen=True, tag="round"):
    """Rounded by a rounding rule of the year file."""

    item: Expr
    rounding: str


class Convert(Node, frozen=True, tag="convert"):
    """The same quantity under another unit."""

    item: Expr
    unit: Unit


class DaysBetween(Node, frozen=True, tag="days_between"):
    """Days from one date to another; negative when the second is earlier."""

    first: Expr
    second: Expr


# --- logic -------------------------------------------------------------------------------------


class Compare(Node, frozen=True, tag="compare"):
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    left: Expr
    right: Expr


class Logic(Node, frozen=True, tag="logic"):
    """`all`, `any`, `none` of the items, or at least `least` of them."""

    op: Literal["all", "any", "none", "at_least"]
    items: tuple[Expr, ...]
    least: int = 0


class In(Node, frozen=True, tag="in"):
    """Whether a code or member is among others: `values` is a CodeSet or a parameter of codes."""

    item: Expr
    values: Expr


class FirstKnown(Node, frozen=True, tag="first_known"):
    """The first item that is not undetermined."""

    items: tuple[Expr, ...]


# --- related records ---------------------------------------------------------------------------

AggregateOp = Literal[
    "sum", "count", "any", "every", "average", "greatest", "least", "share"
]  # fmt: skip


class Aggregate(Node, frozen=True, tag="aggregate"):
    """Over the records of a descendant entity that meet `where` (None: all). `item` is None for
    count, any, every and share; `empty` is what average, greatest, least and share give over no
    record. `share` is the records that meet `where` over all, a ratio."""

    op: AggregateOp
    entity: str
    item: Expr | None
    where: Expr | None
    empty: Expr | None = None


Expr = (
    Num | Bool | Text | Day | CodeSet | Param | Fact | Outcome | Let | Lookup | Listed
    | Arith | Negate | Extreme | Round | Convert | DaysBetween | Compare | Logic | In
    | FirstKnown | Aggregate
)  # fmt: skip

# --- declarations ------------------------------------------------------------------------------


class Key(msgspec.Struct, frozen=True):
    name: str
    type: Type


class Entity(msgspec.Struct, frozen=True):
    """A kind of record. `parent` is empty for a root; `keys` are unique among a parent's records.
    A record may point at one of the entity `refers` (empty: none), whose facts and outcomes, and
    those of its ancestors, are read as if it stood above."""

    name: str
    parent: str
    keys: tuple[Key, ...]
    describe: str
    place: Place
    refers: str = ""


class FactDeclaration(msgspec.Struct, frozen=True):
    """A fact of an entity. `presence`: `required`, `absent_means` (then `default` holds) or
    `may_be_unknown`. Keys are declared as required facts too."""

    entity: str
    name: str
    type: Type
    presence: Literal["required", "absent_means", "may_be_unknown"]
    default: Constant | None
    cites: tuple[str, ...]
    describe: str
    place: Place


class Bounds(msgspec.Struct, frozen=True):
    """A catalogue's decile bounds: columns d1..d10, worst to best; `inverse` names the yes/no field
    that says that lower is better."""

    name: str
    inverse: str


class Catalogue(msgspec.Struct, frozen=True):
    """Keyed records that the year file names by path. `digest` is the file's SHA-256."""

    name: str
    keys: tuple[Key, ...]
    fields: tuple[Key, ...]
    bounds: Bounds | None
    describe: str
    place: Place
    path: str = ""
    digest: str = ""
    cite: str = ""


class Parameter(msgspec.Struct, frozen=True):
    """A figure. `value` is None when the policy says `status` (not_in_force, to_be_announced)."""

    name: str
    type: Type
    value: Constant | None
    status: str
    cite: str
    describe: str
    place: Place
    unverified: bool = False
    note: str = ""


class Rounding(msgspec.Struct, frozen=True):
    """A rounding rule: decimal places in the unit's display, and mode."""

    name: str
    unit: Unit
    places: int
    mode: Mode
    cite: str
    place: Place
    unverified: bool = False


# --- rules -------------------------------------------------------------------------------------


class Named(msgspec.Struct, frozen=True):
    """A let."""

    name: str
    value: Expr


class Rule(msgspec.Struct, frozen=True, tag=True, tag_field="node", kw_only=True):
    """What every kind of rule has. `prints` names the rounding used when the outcome is shown;
    `force_cite` is the year file's citation for the variant, where it has one."""

    name: str
    entity: str
    variant: str = ""
    title: str = ""
    cites: tuple[str, ...] = ()
    prints: str = ""
    lets: tuple[Named, ...] = ()
    place: Place
    force_cite: str = ""
    force_place: Place | None = None


class Clause(msgspec.Struct, frozen=True):
    """`when` is None for `otherwise` and `always`."""

    name: str
    value: Expr
    when: Expr | None
    kind: Literal["when", "otherwise", "always"]
    because: str
    cites: tuple[str, ...]
    place: Place


class Choice(Rule, frozen=True, tag="rule", kw_only=True):
    """Exactly one clause decides."""

    type: Type
    clauses: tuple[Clause, ...]


class Cell(msgspec.Struct, frozen=True):
    """A test of a given column: any value (both ends None and `equals` None), one value (`equals`:
    yes, no or a member), or a range of numbers."""

    equals: str | None = None
    low: Fraction | None = None
    low_included: bool = True
    high: Fraction | None = None
    high_included: bool = True


class Row(msgspec.Struct, frozen=True):
    """A table's row: one cell for each given column, one constant for each output."""

    name: str
    cells: tuple[Cell, ...]
    values: tuple[Constant, ...]
    cite: str
    place: Place
    unverified: bool = False


class Table(Rule, frozen=True, tag="table", kw_only=True):
    """Exactly one row hits. The given columns are the lets whose names `given` lists, in the order
    of the rows' cells. Outside `where` the outcome is `outside` (winner `outside`)."""

    given: tuple[Key, ...]
    gives: tuple[Key, ...]
    where: Expr | None
    outside: tuple[Constant, ...] | None
    rows: tuple[Row, ...]


class Piece(msgspec.Struct, frozen=True):
    """An interval of a curve: flat at y1, or the line through (x1, y1) and (x2, y2)."""

    name: str
    low: Expr
    low_included: bool
    high: Expr
    high_included: bool
    shape: Literal["flat", "line"]
    x1: Expr | None
    y1: Expr
    x2: Expr | None
    y2: Expr | None
    cites: tuple[str, ...]
    place: Place


class Curve(Rule, frozen=True, tag="curve", kw_only=True):
    """A piecewise linear function of `of`; exactly one piece holds each value."""

    type: Number
    of: Expr
    pieces: tuple[Piece, ...]


class Deciles(Rule, frozen=True, tag="deciles", kw_only=True):
    """Decile interpolation: the best decile d whose lower bound the value meets (at least the
    bound; at most, where the record is inverse) gives d + round((value - bound) / (next bound -
    bound)), decile 10 gives 10. Winners: decile_1 .. decile_10, below, none."""

    type: Number
    of: Expr
    catalogue: str
    keys: tuple[Expr, ...]
    rounding: str
    below: Expr
    none: Expr


class Order(msgspec.Struct, frozen=True):
    by: Expr
    descending: bool


class Select(Rule, frozen=True, tag="select", kw_only=True):
    """Yes for the best records of each group (the parent's records that meet `where`, by `per`).
    `best` is evaluated for the parent; None selects all. Yes sorts above no. `ties` are keys of the
    entity, ascending. Winners: selected, passed_over, not_considered."""

    where: Expr | None
    per: tuple[Expr, ...]
    best: Expr | None
    by: tuple[Order, ...]
    ties: tuple[str, ...]


AnyRule = Choice | Table | Curve | Deciles | Select


class Program(msgspec.Struct, frozen=True):
    """One policy compiled. `rules` are in dependency order. `digest` is that of the resolved policy
    (figures, rows, variants, catalogues and the rules in force), not of its formatting."""

    policy: str
    title: str
    performance_year: int
    payment_year: int
    stage: str
    tracks: tuple[str, ...]
    digest: str
    engine: str
    entities: tuple[Entity, ...]
    facts: tuple[FactDeclaration, ...]
    catalogues: tuple[Catalogue, ...]
    parameters: tuple[Parameter, ...]
    roundings: tuple[Rounding, ...]
    rules: tuple[AnyRule, ...]
    assumed: tuple[Parameter, ...]
