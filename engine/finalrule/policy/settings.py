"""Scenarios: named values of a policy changed for a what-if (`--set NAME=VALUE [was OLD]`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from finalrule.citations import Citation
from finalrule.diagnostics import Label, Report, suggest
from finalrule.policy.figures import read_value, value_text
from finalrule.policy.model import CellText, Change, Figure, Policy
from finalrule.policy.tree import Listing, Node, Scalar
from finalrule.source import Source, Span

_FORM = re.compile(r"^\s*(?P<name>[^\s=]+)\s*=\s*(?P<value>.*?\S)(?:\s+was\s+(?P<was>.*\S))?\s*$")


@dataclass(frozen=True, slots=True)
class _Setting:
    name: Scalar
    value: Scalar
    was: Scalar | None
    span: Span


def apply_settings(policy: Policy, settings: Sequence[str]) -> Policy:
    """The policy with parameters (`performance_threshold=60`) and table cells
    (`category_weights.no_pi.quality=60%`) changed; its id gains `+set`, and `changes` lists what
    was changed. A changed value cites the setting. Without settings: the policy itself.

    Raises Failure with every setting that cannot be read, names nothing, is given twice, has a
    value of another unit, or says that the base was what it is not.
    """
    report = Report()
    parameters, tables = dict(policy.parameters), dict(policy.tables)
    changes: dict[str, Change] = {}
    for text in settings:
        setting = _read(text, report)
        if setting is None:
            continue
        name = setting.name.text
        if name in changes:
            report.error(
                "set-twice",
                f"`{name}` is set twice",
                Label(setting.name.span, "again here"),
                Label(changes[name].span, "first here"),
                help="keep one of them",
            )
        elif name in policy.parameters:
            figure = policy.parameters[name]
            parameters[name] = _changed_figure(figure, setting, policy.id, report)
            changes[name] = Change(name, figure.text, setting.value.text, setting.span)
        elif (cell := _find_cell(policy, name)) is not None:
            table, row, column, old = cell
            _check_was_text(setting, old, report)
            rows = dict(tables[table].rows)
            cells = rows[row].cells | {column: CellText(setting.value.text, setting.value.span)}
            cite = _citation(setting, old.text, policy.id, rows[row].cite)
            rows[row] = replace(rows[row], cells=cells, cite=cite)
            tables[table] = replace(tables[table], rows=rows)
            changes[name] = Change(name, old.text, setting.value.text, setting.span)
        else:
            _report_unknown(policy, setting.name, report)
    report.stop_if_errors()
    if not changes:
        return policy
    return replace(
        policy,
        id=policy.id if policy.changes else f"{policy.id}+set",
        parameters=parameters,
        tables=tables,
        changes=(*policy.changes, *changes.values()),
    )


def _read(text: str, report: Report) -> _Setting | None:
    source = Source("<--set>", text)
    match = _FORM.match(text)
    if not match:
        report.error(
            "unreadable-setting",
            "this is not a setting",
            source.span(0, len(text)),
            help="write `NAME=VALUE` or `NAME=VALUE was OLD`",
        )
        return None

    def part(name: str) -> Scalar:
        return Scalar(match[name], source.span(*match.span(name)))

    was = part("was") if match["was"] else None
    return _Setting(part("name"), part("value"), was, source.span(0, len(text)))


def _changed_figure(figure: Figure, setting: _Setting, base: str, report: Report) -> Figure:
    declared = Label(figure.span, f"its unit is {figure.unit}")
    value, status = read_value(_node(setting.value, figure), figure.unit, declared, report)
    if setting.was is not None:
        was = read_value(_node(setting.was, figure), figure.unit, declared, report)
        if was != (figure.value, figure.status) and was != (None, ""):
            _report_was(setting.was, figure.text, figure.value_span, report)
    return replace(
        figure,
        value=value,
        status=status,
        text=value_text(_node(setting.value, figure)),
        cite=_citation(setting, figure.text, base, figure.cite),
        unverified=False,
        carried_from="",
        note="",
        value_span=setting.value.span,
        cite_span=setting.span,
    )


def _node(scalar: Scalar, figure: Figure) -> Node:
    """The text of a setting as a node: codes are written `19, 21` or `[19, 21]`."""
    text = scalar.text
    if figure.unit != "codes" or text in ("not_in_force", "to_be_announced"):
        return scalar
    codes = text.removeprefix("[").removesuffix("]").split(",")
    return Listing(tuple(Scalar(code.strip(), scalar.span) for code in codes), scalar.span)


def _citation(setting: _Setting, was: str, base: str, cite: Citation) -> Citation:
    """What a changed value cites: the setting, the base's value and its citation."""
    changed = f"--set {setting.name.text}={setting.value.text}"
    if cite.work == "--set":  # another cell of the row was set before
        return Citation(f"{changed} (was {was}), {cite}", "source", "--set", setting.name.text)
    return Citation(f"{changed} ({base}: {was}, {cite})", "source", "--set", setting.name.text)


def _find_cell(policy: Policy, name: str) -> tuple[str, str, str, CellText] | None:
    table, _, rest = name.partition(".")
    row, _, column = rest.partition(".")
    if table in policy.tables and row in policy.tables[table].rows:
        cells = policy.tables[table].rows[row].cells
        if column in cells:
            return table, row, column, cells[column]
    return None


def _check_was_text(setting: _Setting, old: CellText, report: Report) -> None:
    if setting.was is not None and setting.was.text.split() != old.text.split():
        _report_was(setting.was, old.text, old.span, report)


def _report_was(was: Scalar, text: str, span: Span, report: Report) -> None:
    report.error(
        "base-was-not",
        f"the base says `{text}`, not `{was.text}`",
        was.span,
        Label(span, "the base"),
        help=f"write `was {text}`, or choose the policy that the setting was written for",
    )


def _report_unknown(policy: Policy, name: Scalar, report: Report) -> None:
    cells = [
        f"{table.name}.{row.name}.{column}"
        for table in policy.tables.values()
        for row in table.rows.values()
        for column in row.cells
    ]
    report.error(
        "unknown-setting",
        f"`{name.text}` is neither a parameter nor a table's cell of {policy.id}",
        name.span,
        help=suggest(name.text, [*policy.parameters, *cells])
        or "write a parameter's name, or `TABLE.ROW.COLUMN`",
    )
