"""What a rules file says, as a tree: the shape of the text, names not yet looked up.

Every node has `at`: the offsets (start, end) of its text in the file. Trees are data, so that a
parsed file can be kept and read again without the grammar.
"""

from __future__ import annotations

import msgspec

At = tuple[int, int]


class Syntax(msgspec.Struct, frozen=True, tag=True, tag_field="node", kw_only=True):
    """Base of every node."""

    at: At


class Name(Syntax, frozen=True, kw_only=True):
    text: str


# --- expressions -------------------------------------------------------------------------------


class Literal(Syntax, frozen=True, kw_only=True):
    """`sort` is percent, money, points, days, number, yes_no, code or date; `text` as written."""

    sort: str
    text: str


class Path(Syntax, frozen=True, kw_only=True):
    parts: tuple[str, ...]


class Binary(Syntax, frozen=True, kw_only=True):
    """Arithmetic, comparison, `and`, `or`. `zero` only after a division."""

    op: str
    left: Expression
    right: Expression
    zero: Expression | None = None


class Unary(Syntax, frozen=True, kw_only=True):
    """`-` or `not`."""

    op: str
    item: Expression


class Quantified(Syntax, frozen=True, kw_only=True):
    """all of, any of, none of, at least N of."""

    op: str
    items: tuple[Expression, ...]
    least: int = 0


class IsMember(Syntax, frozen=True, kw_only=True):
    item: Expression
    members: tuple[Name, ...]
    negated: bool = False


class InCodes(Syntax, frozen=True, kw_only=True):
    """In a set of written codes, or in a parameter of codes."""

    item: Expression
    codes: tuple[Name, ...]
    path: Path | None


class Call(Syntax, frozen=True, kw_only=True):
    function: Name
    arguments: tuple[Expression, ...]


class Convert(Syntax, frozen=True, kw_only=True):
    item: Expression
    unit: Name


class Aggregate(Syntax, frozen=True, kw_only=True):
    op: str
    entity: Name
    item: Expression | None
    where: Expression | None
    empty: Expression | None


class Lookup(Syntax, frozen=True, kw_only=True):
    catalogue: Name
    field: Name
    keys: tuple[Expression, ...]
    none: Expression


class Listed(Syntax, frozen=True, kw_only=True):
    catalogue: Name
    keys: tuple[Expression, ...]


class IfInForce(Syntax, frozen=True, kw_only=True):
    path: Path
    otherwise: Expression


Expression = (
    Literal | Path | Binary | Unary | Quantified | IsMember | InCodes | Call | Convert | Aggregate
    | Lookup | Listed | IfInForce
)  # fmt: skip

# --- types and declarations --------------------------------------------------------------------


class NamedType(Syntax, frozen=True, kw_only=True):
    """A built-in or declared type. `low` and `high` are decimals as written; `scale` is -1 where
    none is written, -2 for `exact`."""

    name: str
    low: str = ""
    high: str = ""
    scale: int = -1


class EnumerationType(Syntax, frozen=True, kw_only=True):
    members: tuple[Name, ...]


TypeSyntax = NamedType | EnumerationType


class TypedName(Syntax, frozen=True, kw_only=True):
    """`name: type`, as keys, fields, given and gives columns have; `value` only for given."""

    name: Name
    type: TypeSyntax
    value: Expression | None = None


class TypeDeclaration(Syntax, frozen=True, kw_only=True):
    name: Name
    type: TypeSyntax


class EntityDeclaration(Syntax, frozen=True, kw_only=True):
    name: Name
    parent: Name | None
    refers: Name | None
    keys: tuple[TypedName, ...]
    describe: str


class FactSyntax(Syntax, frozen=True, kw_only=True):
    """`default` is the value after `absent means`, with its citations."""

    entity: Name
    name: Name
    type: TypeSyntax
    presence: str
    default: Expression | None
    cites: tuple[Name, ...]
    describe: str


class CatalogueDeclaration(Syntax, frozen=True, kw_only=True):
    name: Name
    keys: tuple[TypedName, ...]
    fields: tuple[TypedName, ...]
    bounds: TypedName | None
    inverse: Name | None
    describe: str


class ParameterDeclaration(Syntax, frozen=True, kw_only=True):
    name: Name
    type: TypeSyntax
    describe: str


class RoundingDeclaration(Syntax, frozen=True, kw_only=True):
    name: Name
    unit: Name
    describe: str


# --- rules -------------------------------------------------------------------------------------


class LetSyntax(Syntax, frozen=True, kw_only=True):
    name: Name
    value: Expression


class ClauseSyntax(Syntax, frozen=True, kw_only=True):
    name: Name
    value: Expression
    kind: str
    when: Expression | None
    because: str
    cites: tuple[Name, ...]


class PieceSyntax(Syntax, frozen=True, kw_only=True):
    """`points` are (x, y) pairs: none for a flat piece, two for a line."""

    name: Name
    low: Expression
    low_included: bool
    high: Expression
    high_included: bool
    flat: Expression | None
    points: tuple[tuple[Expression, Expression], ...]
    cites: tuple[Name, ...]


class JumpSyntax(Syntax, frozen=True, kw_only=True):
    place: Expression
    because: str


class OrderSyntax(Syntax, frozen=True, kw_only=True):
    by: Expression
    descending: bool


class RuleSyntax(Syntax, frozen=True, kw_only=True):
    """Any kind of rule. `kind` is rule, table, curve, deciles or select; the fields of other kinds
    are empty. `at` is the header's place."""

    kind: str
    name: Name
    entity: Name
    variant: Name | None
    type: TypeSyntax | None
    title: str = ""
    cites: tuple[Name, ...] = ()
    prints: Name | None = None
    lets: tuple[LetSyntax, ...] = ()
    clauses: tuple[ClauseSyntax, ...] = ()
    given: tuple[TypedName, ...] = ()
    gives: tuple[TypedName, ...] = ()
    where: Expression | None = None
    outside: tuple[Expression, ...] | None = None
    checks: tuple[Expression, ...] = ()
    rows_of: Name | None = None
    of: Expression | None = None
    pieces: tuple[PieceSyntax, ...] = ()
    never: str = ""
    jumps: tuple[JumpSyntax, ...] = ()
    catalogue: Name | None = None
    keys: tuple[Expression, ...] = ()
    rounding: Name | None = None
    below: Expression | None = None
    none: Expression | None = None
    per: tuple[Expression, ...] = ()
    best: Expression | None = None
    best_all: bool = False
    by: tuple[OrderSyntax, ...] = ()
    ties: tuple[Name, ...] = ()


Statement = (
    TypeDeclaration | EntityDeclaration | FactSyntax | CatalogueDeclaration | ParameterDeclaration
    | RoundingDeclaration | RuleSyntax
)  # fmt: skip


class Module(msgspec.Struct, frozen=True):
    """One rules file."""

    name: str
    statements: tuple[Statement, ...]
