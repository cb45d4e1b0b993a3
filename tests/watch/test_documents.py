"""The schema of events, the document and the error pages say what the reader does."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from finalrule.watch.event import Reader, Refused
from finalrule.watch.model import KINDS, RETRACTION, Model
from watch.stream import events
from watch.test_bad_events import REFUSED

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "watch.md"
SOURCES = sorted((ROOT / "engine" / "finalrule" / "watch").glob("*.py"))
SCHEMA = json.loads((ROOT / "grammar" / "event.schema.json").read_text("utf-8"))
# Reasons that are no matter of an event's form.
OF_VALUES = {
    "duplicate-key", "unknown-subject-keys", "wrong-value", "wrong-number", "unknown-fact",
    "fact-of-another-kind", "value-out-of-bounds", "retracts-itself", "wrong-time", "wrong-text",
    "too-long", "wrong-type",
}  # fmt: skip


def codes(call: str) -> set[str]:
    found = re.compile(rf'{call}\(\s*"([a-z-]+)"')
    paths = [*SOURCES, ROOT / "engine" / "finalrule" / "cli" / "watch.py"]
    return {code for path in paths for code in found.findall(path.read_text("utf-8"))}


@pytest.mark.parametrize("code", sorted(codes("Diagnostic")))
def test_error_page(code: str) -> None:
    text = (ROOT / "docs" / "errors" / f"{code}.md").read_text("utf-8")
    assert text.startswith(f"# {code}\n") and f"[{code}]: " in text


def test_every_reason_is_told() -> None:
    reasons = codes("Refused")
    assert {"duplicate", "other-subject", "wrong-time"} <= reasons
    told = DOCUMENT.read_text("utf-8")
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in told] == []


def kinds(model: Model) -> Iterator[str]:
    yield "| kind | `subject` | says facts of |"
    yield "|---|---|---|"
    for kind, entities in KINDS.items():
        for entity, names in entities.items():
            keys = ", ".join(f"`{name}`" for level in model.path_keys[entity] for name in level)
            only = f": {', '.join(f'`{name}`' for name in names)}" if names else ""
            yield f"| `{kind}` | {keys} | `{entity}`{only} |"
    yield f"| `{RETRACTION}` | any of these | |"


def test_table_of_kinds(model: Model) -> None:
    text = DOCUMENT.read_text("utf-8")
    made = "\n".join(kinds(model)) + "\n"
    begin, end = "<!-- begin: kinds of events -->\n", "<!-- end: kinds of events -->\n"
    before, _, rest = text.partition(begin)
    found, _, after = rest.partition(end)
    if os.environ.get("FINALRULE_WRITE_DOCS"):
        DOCUMENT.write_text(f"{before}{begin}{made}{end}{after}", "utf-8")
        return
    assert found == made


def test_schema_takes_what_the_reader_takes(model: Model) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert set(SCHEMA["properties"]["kind"]["enum"]) == {*KINDS, RETRACTION}
    taken = [*events(2, 3, 200), *(ROOT / "examples/2020/events.jsonl").read_bytes().splitlines()]
    reader = Reader(model)
    for line in taken:
        assert validator.is_valid(json.loads(line)), line
        if b'"e09"' not in line:
            reader.read(line)


def test_schema_refuses_what_is_no_event() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    tried = 0
    for line, reason in REFUSED.items():
        if reason in OF_VALUES or reason in ("not-json", "not-utf-8"):
            continue
        tried += 1
        assert not validator.is_valid(json.loads(line)), line
    assert tried > 5


def test_the_example_has_one_wrong_line(model: Model) -> None:
    wrong = []
    for line in (ROOT / "examples/2020/events.jsonl").read_bytes().splitlines():
        try:
            Reader(model).read(line)
        except Refused as refused:
            wrong.append((refused.id, refused.reason))
    assert wrong == [("e09", "wrong-value")]
