"""`finalrule score` called by tests: how it ends, and what is in the objects that it gives."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from facts.documents import NPI, TIN, Json
from finalrule.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
# CMS's examples are of one clinician, with this NPI (its check digit is wrong) and this TIN.
EXAMPLE_NPI = "9876543210"


def score(*arguments: str | Path, stdin: bytes = b"", policy: str = "2019-final") -> Result:
    """`finalrule score ... --policy ...`, which ends with an exit code whatever it is given."""
    command = ["score", *map(str, arguments), "--policy", policy]
    done = CliRunner().invoke(main, command, input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def errors_of(done: Result) -> list[str]:
    """The codes of the errors on standard error, after what holds for every refusal: exit code 2,
    nothing on standard output, a line of help and a page for each error, and neither a TIN nor an
    NPI."""
    report = done.stderr
    assert done.exit_code == 2, report
    assert done.stdout == ""
    for identifier in (TIN, NPI, EXAMPLE_NPI):
        assert identifier not in report
    findings = re.split(r"^(?=error\[|warning\[)", report, flags=re.M)
    blocks = [block for block in findings if block.startswith("error[")]
    codes = re.findall(r"^error\[([a-z0-9-]+)\]: \S", report, re.M)
    assert len(blocks) == len(codes)
    for code, block in zip(codes, blocks, strict=True):
        assert re.search(r"^  help: \S", block, re.M), block
        assert (ROOT / "docs" / "errors" / f"{code}.md").is_file()
    return codes


def the_error(done: Result) -> str:
    """The only finding, as it is shown."""
    (code,) = errors_of(done)
    report = done.stderr.strip()
    assert report.startswith(f"error[{code}]: ")
    assert "warning[" not in report
    return report


def objects(done: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def write(folder: Path, name: str, document: Json) -> Path:
    path = folder / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def measures(one: dict[str, Any], category: str, field: str = "points") -> dict[str, Any]:
    return {m["measure_id"]: m[field] for m in one["categories"][category]["measures"]}


def weighted(one: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Score, weight and points of each category."""
    return {
        name: (part["score"], part["weight"], part["weighted"])
        for name, part in one["categories"].items()
    }
