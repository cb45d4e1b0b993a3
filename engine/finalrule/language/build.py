"""From the grammar's tree to syntax nodes. One method a production; nothing is decided here."""

from __future__ import annotations

from typing import Any

from lark import Token, Tree

from finalrule.language import syntax as s

Node = Any  # a Lark Tree or Token; typed by the grammar, not by mypy


def build_module(tree: Tree[Token]) -> s.Module:
    """A whole file's tree."""
    head, *statements = tree.children
    name = ".".join(str(part) for part in _tree(head).children)
    return s.Module(name, tuple(_STATEMENTS[_tree(node).data](node) for node in statements))


def _tree(node: Node) -> Tree[Token]:
    assert isinstance(node, Tree)
    return node


def _at(node: Node) -> s.At:
    if isinstance(node, Token):
        return (int(node.start_pos or 0), int(node.end_pos or 0))
    return (int(node.meta.start_pos), int(node.meta.end_pos))


def _name(token: Node) -> s.Name:
    return s.Name(at=_at(token), text=str(token))


def _quoted(token: Node) -> s.Name:
    """A string's text without its quotes, white space folded."""
    return s.Name(at=_at(token), text=" ".join(str(token)[1:-1].split()))


def _said(node: Node) -> str:
    """The text of a `describe`, `title` or `because` line."""
    return _quoted(_tree(node).children[0]).text


def _by_kind(nodes: list[Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        found.setdefault(str(_tree(node).data), []).append(node)
    return found


def _cites(found: dict[str, list[Node]]) -> tuple[s.Name, ...]:
    return tuple(_quoted(token) for node in found.get("cites", []) for token in node.children)


def _describe(found: dict[str, list[Node]]) -> str:
    return " ".join(_said(node) for node in found.get("describe", []))


# --- types -------------------------------------------------------------------------------------


def _type(node: Node) -> s.TypeSyntax:
    if node.data == "enumeration":
        return s.EnumerationType(at=_at(node), members=tuple(_name(t) for t in node.children))
    low = high = ""
    scale = -1
    for part in node.children[1:]:
        if part.data == "limits":
            low, high = ("".join(str(t) for t in bound.children) for bound in part.children)
        else:
            scale = -2 if part.data == "exact" else int(part.children[0])
    return s.NamedType(at=_at(node), name=str(node.children[0]), low=low, high=high, scale=scale)


def _typed_name(node: Node) -> s.TypedName:
    name, type_, *value = node.children
    return s.TypedName(
        at=_at(node),
        name=_name(name),
        type=_type(type_),
        value=_expression(value[0]) if value else None,
    )


# --- declarations ------------------------------------------------------------------------------


def _type_declaration(node: Node) -> s.TypeDeclaration:
    name, type_ = node.children
    return s.TypeDeclaration(at=_at(node), name=_name(name), type=_type(type_))


def _entity(node: Node) -> s.EntityDeclaration:
    names = [child for child in node.children if isinstance(child, Token)]
    found = _by_kind([child for child in node.children if isinstance(child, Tree)])
    return s.EntityDeclaration(
        at=_at(node),
        name=_name(names[0]),
        parent=_name(names[1]) if len(names) > 1 else None,
        refers=_name(found["refers"][0].children[0]) if "refers" in found else None,
        keys=tuple(_typed_name(key) for key in found.get("key", [])),
        describe=_describe(found),
    )


def _fact(node: Node) -> s.FactSyntax:
    entity, name, type_, presence, *rest = node.children
    default, cites = None, _by_kind(presence.children[1:])
    if presence.data == "absent_means":
        default = _expression(presence.children[0])
    return s.FactSyntax(
        at=_at(node),
        entity=_name(entity),
        name=_name(name),
        type=_type(type_),
        presence=str(presence.data),
        default=default,
        cites=_cites(cites),
        describe=_describe(_by_kind(rest)),
    )


def _catalogue(node: Node) -> s.CatalogueDeclaration:
    name, *rest = node.children
    found = _by_kind(rest)
    bounds = found.get("bounds", [])
    return s.CatalogueDeclaration(
        at=_at(node),
        name=_name(name),
        keys=tuple(_typed_name(key) for key in found.get("key_item", [])),
        fields=tuple(_typed_name(field) for field in found.get("field", [])),
        bounds=s.TypedName(
            at=_at(bounds[0]),
            name=_name(bounds[0].children[0]),
            type=_type(bounds[0].children[1]),
        )
        if bounds
        else None,
        inverse=_name(bounds[0].children[2]) if bounds else None,
        describe=_describe(found),
    )


def _dotted(node: Node) -> s.Name:
    return s.Name(at=_at(node), text=".".join(str(part) for part in node.children))


def _parameter(node: Node) -> s.ParameterDeclaration:
    path, type_, *rest = node.children
    return s.ParameterDeclaration(
        at=_at(node), name=_dotted(path), type=_type(type_), describe=_describe(_by_kind(rest))
    )


def _rounding(node: Node) -> s.RoundingDeclaration:
    name, unit, *rest = node.children
    return s.RoundingDeclaration(
        at=_at(node), name=_name(name), unit=_name(unit), describe=_describe(_by_kind(rest))
    )


# --- rules -------------------------------------------------------------------------------------


def _rule(node: Node) -> s.RuleSyntax:
    name, entity, *rest = node.children
    trees = [_tree(child) for child in rest]
    types = [t for t in trees if t.data in ("named_type", "enumeration")]
    found = _by_kind(list(trees))
    variant = found.get("variant", [])
    last = (types + variant)[0] if types or variant else entity
    one = {kind: nodes[0] for kind, nodes in found.items()}

    def expression(kind: str) -> s.Expression | None:
        return _expression(one[kind].children[0]) if kind in one else None

    def expressions(kind: str) -> tuple[s.Expression, ...]:
        return tuple(_expression(n) for n in one[kind].children) if kind in one else ()

    deciles_in = one["deciles_in"].children if "deciles_in" in one else []
    return s.RuleSyntax(
        at=(_at(name)[0], _at(last)[1]),
        kind=str(node.data),
        name=_name(name),
        entity=_name(entity),
        variant=_name(variant[0].children[0]) if variant else None,
        type=_type(types[0]) if types else None,
        title=_said(one["title"]) if "title" in one else "",
        cites=_cites(found),
        prints=_name(one["prints"].children[0]) if "prints" in one else None,
        lets=tuple(_let(n) for n in found.get("let", [])),
        clauses=tuple(_clause(n) for n in found.get("clause", [])),
        given=tuple(_typed_name(n) for n in found.get("given", [])),
        gives=tuple(_typed_name(n) for n in found.get("gives", [])),
        where=expression("where"),
        outside=expressions("outside") if "outside" in one else None,
        checks=tuple(_expression(n.children[0]) for n in found.get("check", [])),
        rows_of=_name(one["rows_of"].children[0]) if "rows_of" in one else None,
        of=expression("curve_of") or expression("deciles_of"),
        pieces=tuple(_piece(n) for n in found.get("piece", [])),
        never=str(one["never"].children[0]) if "never" in one else "",
        jumps=tuple(_jump(n) for n in found.get("jump", [])),
        catalogue=_name(deciles_in[0]) if deciles_in else None,
        keys=tuple(_expression(n) for n in deciles_in[1:]),
        rounding=_name(one["deciles_rounding"].children[0]) if "deciles_rounding" in one else None,
        below=expression("below"),
        none=expression("none_gives"),
        per=expressions("per"),
        best=expression("best"),
        best_all="best_all" in one,
        by=tuple(_order(n) for n in one["by"].children) if "by" in one else (),
        ties=tuple(_name(n) for n in one["ties"].children) if "ties" in one else (),
    )


def _let(node: Node) -> s.LetSyntax:
    name, value = node.children
    return s.LetSyntax(at=_at(node), name=_name(name), value=_expression(value))


def _clause(node: Node) -> s.ClauseSyntax:
    name, value, decided, *notes = node.children
    found = _by_kind(notes)
    return s.ClauseSyntax(
        at=_at(node),
        name=_name(name),
        value=_expression(value),
        kind=str(decided.data),
        when=_expression(decided.children[0]) if decided.children else None,
        because=" ".join(_said(n) for n in found.get("because", [])),
        cites=_cites(found),
    )


def _piece(node: Node) -> s.PieceSyntax:
    name, low_word, low, high_word, high, shape, *notes = node.children
    points = shape.children if shape.data == "line" else []
    return s.PieceSyntax(
        at=_at(node),
        name=_name(name),
        low=_expression(low),
        low_included=str(low_word) == "from",
        high=_expression(high),
        high_included=str(high_word) == "through",
        flat=_expression(shape.children[0]) if shape.data == "flat" else None,
        points=tuple((_expression(p.children[0]), _expression(p.children[1])) for p in points),
        cites=_cites(_by_kind(notes)),
    )


def _jump(node: Node) -> s.JumpSyntax:
    place, because = node.children
    return s.JumpSyntax(at=_at(node), place=_expression(place), because=_said(because))


def _order(node: Node) -> s.OrderSyntax:
    by, rank = node.children
    return s.OrderSyntax(at=_at(node), by=_expression(by), descending=str(rank) == "descending")


# --- expressions -------------------------------------------------------------------------------

_LITERALS = ("percent", "money", "points", "days", "number", "yes_no", "code", "date")
_BINARY = {"either": "or", "both": "and"}


def _expression(node: Node) -> s.Expression:
    data, at, parts = str(node.data), _at(node), node.children
    if data in _LITERALS:
        # The blank in `10 points` may be any number of blanks.
        text = " ".join(parts[0].split()) if data in ("points", "days") else str(parts[0])
        return s.Literal(at=at, sort=data, text=text)
    if data == "parenthesis":
        return _expression(parts[0])
    if data in _BINARY:
        left, right = (_expression(part) for part in parts)
        return s.Binary(at=at, op=_BINARY[data], left=left, right=right)
    if data in ("compare", "arithmetic"):
        return s.Binary(
            at=at, op=str(parts[1]), left=_expression(parts[0]), right=_expression(parts[2])
        )
    built: s.Expression = _EXPRESSIONS[data](at, parts)
    return built


def _path(at: s.At, parts: list[Node]) -> s.Path:
    return s.Path(at=at, parts=tuple(str(part) for part in parts))


def _division(at: s.At, parts: list[Node]) -> s.Binary:
    left, right, *zero = (_expression(part) for part in parts)
    return s.Binary(at=at, op="/", left=left, right=right, zero=zero[0] if zero else None)


def _quantified(at: s.At, parts: list[Node]) -> s.Quantified:
    items = tuple(_expression(part) for part in parts[1:])
    return s.Quantified(at=at, op=str(parts[0]), items=items)


def _at_least(at: s.At, parts: list[Node]) -> s.Quantified:
    items = tuple(_expression(part) for part in parts[1:])
    return s.Quantified(at=at, op="at_least", items=items, least=int(parts[0]))


def _in_set(at: s.At, parts: list[Node]) -> s.Expression:
    item = _expression(parts[0])
    tokens = [part.children[0] for part in parts[1:]]
    if all(token.type == "STRING" for token in tokens):
        return s.InCodes(at=at, item=item, codes=tuple(_quoted(t) for t in tokens), path=None)
    return s.IsMember(at=at, item=item, members=tuple(_name(t) for t in tokens))


def _aggregate(op: str, at: s.At, parts: list[Node]) -> s.Aggregate:
    trees = {str(part.data): part for part in parts if isinstance(part, Tree)}
    tokens = [part for part in parts if isinstance(part, Token)]
    item = [p for p in parts if isinstance(p, Tree) and p.data not in ("condition", "empty")]

    def inner(kind: str) -> s.Expression | None:
        return _expression(trees[kind].children[0]) if kind in trees else None

    return s.Aggregate(
        at=at,
        op=op,
        entity=_name(tokens[-1]),
        item=_expression(item[0]) if item else None,
        where=inner("condition"),
        empty=inner("empty"),
    )


def _lookup(at: s.At, parts: list[Node]) -> s.Lookup:
    catalogue, field, *rest = parts
    *keys, none = (_expression(part) for part in rest)
    return s.Lookup(
        at=at, catalogue=_name(catalogue), field=_name(field), keys=tuple(keys), none=none
    )


def _listed(at: s.At, parts: list[Node]) -> s.Listed:
    catalogue, *keys = parts
    return s.Listed(at=at, catalogue=_name(catalogue), keys=tuple(_expression(key) for key in keys))


def _if_in_force(at: s.At, parts: list[Node]) -> s.IfInForce:
    path, otherwise = parts
    return s.IfInForce(
        at=at, path=_path(_at(path), path.children), otherwise=_expression(otherwise)
    )


def _call(at: s.At, parts: list[Node]) -> s.Call:
    function, *arguments = parts
    return s.Call(
        at=at,
        function=_name(function),
        arguments=tuple(_expression(argument) for argument in arguments),
    )


def _is(at: s.At, parts: list[Node], negated: bool) -> s.IsMember:
    item, member = parts
    return s.IsMember(at=at, item=_expression(item), members=(_name(member),), negated=negated)


_EXPRESSIONS: dict[str, Any] = {
    "path": _path,
    "division": _division,
    "minus": lambda at, parts: s.Unary(at=at, op="-", item=_expression(parts[-1])),
    "negation": lambda at, parts: s.Unary(at=at, op="not", item=_expression(parts[0])),
    "quantified": _quantified,
    "at_least": _at_least,
    "is_member": lambda at, parts: _is(at, parts, negated=False),
    "is_not_member": lambda at, parts: _is(at, parts, negated=True),
    "in_set": _in_set,
    "in_codes": lambda at, parts: s.InCodes(
        at=at,
        item=_expression(parts[0]),
        codes=(),
        path=_path(_at(parts[1]), parts[1].children),
    ),
    "call": _call,
    "convert": lambda at, parts: s.Convert(at=at, item=_expression(parts[0]), unit=_name(parts[1])),
    "fold": lambda at, parts: _aggregate(str(parts[0]), at, parts[1:]),
    "count": lambda at, parts: _aggregate("count", at, parts),
    "any_record": lambda at, parts: _aggregate("any", at, parts),
    "every_record": lambda at, parts: _aggregate("every", at, parts),
    "share": lambda at, parts: _aggregate("share", at, parts),
    "lookup": _lookup,
    "listed": _listed,
    "if_in_force": _if_in_force,
}

_STATEMENTS: dict[str, Any] = {
    "type_declaration": _type_declaration,
    "entity": _entity,
    "fact": _fact,
    "catalogue": _catalogue,
    "parameter": _parameter,
    "rounding": _rounding,
    "rule": _rule,
    "table": _rule,
    "curve": _rule,
    "deciles": _rule,
    "select": _rule,
}
