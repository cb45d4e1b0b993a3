"""What a policy says of a name, to be read: aligned text of 100 columns, made from the data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from finalrule.columns import WIDTH, columns, paragraph
from finalrule.compare.model import unit_note
from finalrule.show.data import Data
from finalrule.show.rules import with_values
from finalrule.show.tables import tables_text


def text(data: Data, policy: str) -> str:
    """One thing as text; `policy` is the id of the policy that it is shown for."""
    lines = {
        "policy": _policy,
        "parameter": _parameter,
        "rounding": _rounding,
        "table": _table,
        "rule": _rule,
        "catalogue": _catalogue,
        "record": _record,
        "facts": _facts,
        "fact": _fact,
        "tables": tables_text,
    }[data["kind"]](data)
    if data["kind"] not in ("policy", "facts", "tables"):
        lines[0] += f", policy {policy}"
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]], indent: int = 2) -> list[str]:
    return list(itertools.chain.from_iterable(columns(rows, indent)))


def _value(data: Data) -> str:
    return f"{data['text']}{unit_note(data['unit'], data['value'])}"


def _cite(data: Data) -> str:
    return f"{data['cite']}, unverified" if data["unverified"] else str(data["cite"])


def _pairs(pairs: Sequence[tuple[str, str]], indent: int = 2) -> list[str]:
    """Labelled lines, those without a text left out."""
    return _aligned([(label, said) for label, said in pairs if said], indent)


def _listed(title: str, rows: Sequence[Data]) -> list[str]:
    if not rows:
        return []
    return ["", title, *_aligned([(row["name"], _value(row), _cite(row)) for row in rows])]


# --- the policy ----------------------------------------------------------------------------------


def _policy(data: Data) -> list[str]:
    published = data["published"]
    lines = [f"{data['policy']}: {data['title']}"]
    lines += _pairs(
        [
            ("years", f"performance {data['performance_year']}, payment {data['payment_year']}"),
            ("stage", data["stage"]),
            ("tracks", ", ".join(data["tracks"])),
            ("published", f"{published['date']}, {published['cite']}: {published['title']}"),
            ("file", data["path"]),
            ("digest", data["digest"]),
        ]
    )
    for part in data["parameters"]:
        lines += _listed(part["part"], part["parameters"])
    lines += _listed("Rounding", data["roundings"])
    lines += _listed("Tables", data["tables"])
    said = f"Rules that the year file speaks of ({data['rules_in_force']} are in force in all)"
    lines += _listed(said, data["rules"])
    lines += _listed("Catalogues", data["catalogues"])
    return lines + _listed("Assumed values, outside the policy", data["assumed"])


# --- figures -------------------------------------------------------------------------------------


def _parameter(data: Data) -> list[str]:
    carried = f"from {data['carried_from']}" if data["carried_from"] else ""
    return [
        f"{data['name']}: parameter",
        *_pairs(
            [
                ("value", _value(data)),
                ("citation", _cite(data)),
                ("place", data["place"]),
                ("note", data["note"]),
                ("carried", carried),
                ("what", data["describe"]),
                ("type", data["type"]),
                ("declared", data["declared"]),
                ("read by", ", ".join(data["read_by"]) or "no rule in force"),
            ]
        ),
    ]


def _rounding(data: Data) -> list[str]:
    return [
        f"{data['name']}: rounding of {data['unit']}",
        *_pairs(
            [
                ("value", data["text"]),
                ("citation", _cite(data)),
                ("place", data["place"]),
                ("note", data["note"]),
                ("used by", ", ".join(data["read_by"]) or "no rule in force"),
            ]
        ),
    ]


# --- tables and rules ----------------------------------------------------------------------------


def _table(data: Data) -> list[str]:
    lines = [f"{data['name']}: table"]
    lines += _pairs([("citation", _cite(data)), ("place", data["place"]), ("note", data["note"])])
    rows = _side_by_side(data)
    if any(len(line) > WIDTH for line in rows):
        rows = _one_below_the_other(data)
    return [*lines, "", *rows, "", *_pairs([("used by", ", ".join(data["used_by"]))])]


def _side_by_side(data: Data) -> list[str]:
    """A table's rows as lines. Citations stand beside rows where not all have the table's."""
    given, gives = ([key["name"] for key in data[kind]] for kind in ("given", "gives"))
    cited = any(_cite(row) != data["cite"] for row in data["rows"])
    rows = [["row", *given, "", *gives, *(["citation"] if cited else [])]]
    for row in data["rows"]:
        before, after = ([row["cells"][name] for name in names] for names in (given, gives))
        rows.append([row["name"], *before, "->", *after, *([_cite(row)] if cited else [])])
    notes = [(row["name"], row["note"]) for row in data["rows"] if row["note"]]
    return [*_aligned(_headed(rows)), *_aligned(notes)]


def _one_below_the_other(data: Data) -> list[str]:
    """A table's rows as blocks, where it is too wide for lines."""
    lines = []
    for row in data["rows"]:
        cells = [
            ", ".join(f"{key['name']} {row['cells'][key['name']]}" for key in data[kind])
            for kind in ("given", "gives")
        ]
        lines.append(f"  {row['name']}")
        pairs = zip(
            ("given", "gives", "cited", "note"), (*cells, _cite(row), row["note"]), strict=True
        )
        lines += _pairs(list(pairs), 4)
    return lines


def _headed(rows: list[list[str]]) -> list[list[str]]:
    """Rows whose first holds the columns' names: names of several words on several lines."""
    widths = [max(len(row[i]) for row in rows[1:]) for i in range(len(rows[0]))]
    heads = []
    for name, width in zip(rows[0], widths, strict=True):
        words = name.split("_")
        found = [words[0]]
        for word in words[1:]:
            if len(found[-1]) + 1 + len(word) <= max(width, 8):
                found[-1] += f"_{word}"
            else:
                found[-1] += "_"
                found.append(word)
        heads.append(found)
    height = max(len(head) for head in heads)
    stacked = [[""] * (height - len(head)) + head for head in heads]
    return [*([head[i] for head in stacked] for i in range(height)), *rows[1:]]


def _rule(data: Data) -> list[str]:
    lines = [f"{data['name']}: rule of {data['entity']}, {data['text']}"]
    lines += _pairs(
        [
            ("title", data.get("title", "")),
            ("citation", _cite(data)),
            ("place", data["place"]),
            ("note", data["note"]),
        ]
    )
    if "source" in data:
        values = {each["name"]: _value(each) for each in data["parameters"]}
        lines += ["", with_values(data["source"], values), ""]
        if data["parameters"]:
            rows = [(e["name"], _value(e), _cite(e), e["place"]) for e in data["parameters"]]
            lines += ["Figures", *_aligned(rows), ""]
        reads = data["reads"]
        lines += ["Reads"]
        lines += _pairs(
            [
                (plural, ", ".join(reads.get(sort, ())))
                for sort, plural in (
                    ("rule", "rules"),
                    ("fact", "facts"),
                    ("catalogue", "catalogues"),
                    ("rounding", "rounding"),
                )
            ]
        )
        lines += ["Read by", *paragraph(", ".join(data["read_by"]) or "no rule in force", 2)]
    if len(data["variants"]) > 1 or "source" not in data:
        lines += ["", "Variants", *_variants(data["variants"])]
    return lines


def _variants(variants: Sequence[Data]) -> list[str]:
    rows = []
    for variant in variants:
        name = variant.get("variant", "not in force") or "in force"
        for each in variant["policies"] or [{"policy": "in no policy", "cite": ""}]:
            rows.append((name, each["policy"], each["cite"]))
            name = ""
    return _aligned(rows)


# --- catalogues ----------------------------------------------------------------------------------


def _catalogue(data: Data) -> list[str]:
    bounds = data["bounds"]
    fields = [(key["name"], "key", key["type"]) for key in data["keys"]]
    fields += [(each["name"], "", each["type"]) for each in data["fields"]]
    if bounds:
        said = f"decile bounds, worst to best; inverse by {bounds['inverse']}"
        fields.append(("d1 to d10", "", f"{bounds['name']}: {said}"))
    return [
        f"{data['name']}: catalogue of {data['records']:,} records",
        *_pairs(
            [
                ("what", data["describe"]),
                ("file", f"policies/{data['text']}"),
                ("citation", _cite(data)),
                ("place", data["place"]),
                ("note", data["note"]),
                ("digest", data["digest"]),
            ]
        ),
        "",
        "Columns that rules may read",
        *_aligned(fields),
        "",
        *_pairs(
            [
                ("not read", ", ".join(data["not_read"])),
                ("read by", ", ".join(data["read_by"]) or "no rule in force"),
            ]
        ),
    ]


def _record(data: Data) -> list[str]:
    return [
        f"{data['name']}: record",
        *_aligned([(name, cell or "(empty)") for name, cell in data["cells"].items()]),
        "",
        *_pairs([("citation", data["cite"]), ("place", data["place"])]),
    ]


# --- facts ---------------------------------------------------------------------------------------


def _facts(data: Data) -> list[str]:
    lines = []
    for entity in data["entities"]:
        parent = f" of {entity['parent']}" if entity["parent"] else ""
        parent += f" refers to {entity['refers']}" if entity["refers"] else ""
        lines += [f"{entity['entity']}{parent}", *paragraph(entity["describe"], 2)]
        rows = [(fact["name"], fact["type"], _presence(fact)) for fact in entity["facts"]]
        for fact, shown in zip(entity["facts"], columns(rows, 2), strict=True):
            lines += [*shown, *paragraph(fact["describe"], 6)]
        lines.append("")
    named = {
        fact["type"]: fact["members"]
        for entity in data["entities"]
        for fact in entity["facts"]
        if fact["members"] and not fact["type"].startswith("one of ")
    }
    if named:
        lines += ["Types", *_aligned([(name, ", ".join(named[name])) for name in named]), ""]
    if data["read_by_no_rule"]:
        lines += ["Declared, but read by no rule in force"]
        lines += [*paragraph(", ".join(data["read_by_no_rule"]), 2), ""]
    return lines[:-1]


def _presence(fact: Data) -> str:
    if fact["key"]:
        return "key"
    said = {
        "required": "required",
        "absent_means": f"absent means {fact['default']}",
        "may_be_unknown": "may be unknown",
    }[fact["presence"]]
    assumed = fact["assumed"]
    return f"{said}; assumed {assumed['text']}" if assumed else str(said)


def _fact(data: Data) -> list[str]:
    assumed = data["assumed"]
    return [
        f"{data['entity']}.{data['name']}: fact",
        *_pairs(
            [
                ("what", data["describe"]),
                ("type", data["type"]),
                ("members", ", ".join(data["members"])),
                ("presence", _presence(data)),
                ("citation", ", ".join(data["cites"])),
                ("assumed", f"{assumed['text']}, {_cite(assumed)}" if assumed else ""),
                ("declared", data["declared"]),
                ("read by", ", ".join(data["read_by"]) or "no rule in force"),
            ]
        ),
    ]
