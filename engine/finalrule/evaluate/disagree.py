"""Where CMS states a status and the facts that it follows from are there too, the status is derived
(`first_known` in the rules); here the two are held against each other."""

from __future__ import annotations

from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Unknown, prepare
from finalrule.core.text import expression_text
from finalrule.core.walk import nodes
from finalrule.diagnostics import Diagnostic, Label, Pointer
from finalrule.evaluate.kinds import prepare_lets
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.types import Types
from finalrule.values import show


def disagreements(evaluator: Evaluator, evaluation: Evaluation) -> list[Diagnostic]:
    """A warning for each record and rule whose derived status is not the one that is stated, with
    the place of the statement: it tells the record, whose key may be an NPI. The derived one is
    used."""
    types, found = Types(evaluator.program), []
    for rule in evaluator.program.rules:
        choices = {
            id(node): node
            for node in nodes(rule)
            if isinstance(node, ir.FirstKnown) and _is_stated(node.items[-1])
        }
        frames = [frame for name, frame in evaluation.decisions if name == rule.name]
        if not choices or not frames:
            continue
        lets = prepare_lets(rule, evaluator.context)
        named = {let.name: let.value for let in rule.lets}
        for node in choices.values():
            runs = [prepare(item, evaluator.context, lets) for item in node.items]
            for frame in frames:
                frame.lets = {}
                values = [run(frame) for run in runs]
                if _differ(values):
                    texts = [
                        show(value, types.of(item, named)) if not isinstance(value, Unknown) else ""
                        for value, item in zip(values, node.items, strict=True)
                    ]
                    found.append(_warning(rule, node, frame, texts, evaluation))
    return found


def _is_stated(item: ir.Expr) -> bool:
    """What CMS states has `stated` in its name, by the convention of the rules."""
    match item:
        case ir.Fact(name=name) | ir.Outcome(rule=name):
            return "stated" in name.split("_")
    return False


def _differ(values: list[Known]) -> bool:
    known = [value for value in values if not isinstance(value, Unknown)]
    return len(known) > 1 and any(value != known[0] for value in known[1:])


def _warning(
    rule: ir.AnyRule, node: ir.FirstKnown, frame: Frame, texts: list[str], evaluation: Evaluation
) -> Diagnostic:
    stated = node.items[-1]
    labels = []
    if isinstance(stated, ir.Fact):
        owner = frame.up.get(stated.entity)
        given = evaluation.records[owner].facts.get(stated.name) if owner is not None else None
        if given is not None:
            path, _, pointer = given.origin.partition("#")
            labels.append(Label(Pointer(path, pointer), f"{stated.name} is {texts[-1]}"))
    labels.append(Label(Pointer(str(rule.place), ""), f"derived: {texts[0]}"))
    return Diagnostic(
        "stated-otherwise",
        f"`{rule.name}` follows from the facts as {texts[0]}, but "
        f"`{expression_text(stated)}` says {texts[-1]}",
        tuple(labels),
        "the facts are used; correct them, or the statement",
        severity="warning",
    )
