"""The command: a file or standard input, going on, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finalrule.cli.main import main
from finalrule.runtime import durable
from finalrule.watch.store import Store
from watch.plain import lines
from watch.stream import events
from watch.test_determinations import BEGIN, FIRST, totals

ALL = [*BEGIN, totals("t1", 500), totals("t2", 499, "2020-05-02T00:00:00Z")]


def watch(stream: Path | str, out: Path, *more: str, policy: str = "2020-final") -> Result:
    arguments = ["watch", str(stream), "--policy", policy, "--out", str(out), "--processes", "1"]
    return CliRunner().invoke(main, [*arguments, *more])


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(ALL))
    return path


def test_summary(stream: Path, tmp_path: Path) -> None:
    done = watch(stream, tmp_path / "out", "--summary", "--check")
    assert (done.exit_code, done.stderr) == (0, "")
    # 499 of 1,000 dollars: $1 and 0.1 points below 50 %; of 100 patients 34 more would make 35 %.
    said, _, table = done.stdout.partition("Nearest to a QP threshold that they do not meet\n")
    assert said == (
        "2020-final: 5 events read, 5 taken (0 of them late), 0 retracted, "
        "7 changes of determinations\n\n"
        "qp_unit: 1\neligible_clinician: 2\n"
        "  unit_assessment: assessed 1\n"
        "  unit_standing: partial_qp 1\n"
        "  unit_all_payer_standing: neither 1\n"
        "  qp_status: partial_qp 2\n"
        "  partial_qp_elects: no 2\n\n"
    )
    *_, row, _, clinicians, first, second, _, last = table.splitlines()
    assert row.split() == ["A1", "0.1%", "2", "march_31", "payment_amount", "0.1%", "$1.00",
                           "34%", "34"]  # fmt: skip
    assert clinicians == "Clinicians of these units, and what is missing to each"
    assert (first, second) == ("  1234567893  0.1%", "  1992999825  0.1%")
    assert last == "determined again at once: the same"


def test_as_data(stream: Path, tmp_path: Path) -> None:
    done = watch(stream, tmp_path / "out", "--summary", "--check", "--format", "json")
    data = json.loads(done.stdout)
    assert data["format"] == "watch-summary.v1" and data["differences"] == []
    assert data["outcomes"]["qp_status"] == {"partial_qp": 2}
    assert data["near"][0]["missing"] == "0.1%" and data["near"][0]["pointing"] == 2


def test_a_file_may_grow(stream: Path, tmp_path: Path) -> None:
    whole = stream.read_bytes()
    watch(stream, tmp_path / "whole", "--batch", "2")
    stream.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    watch(stream, tmp_path / "out", "--batch", "2")
    stream.write_bytes(whole)
    done = watch(stream, tmp_path / "out", "--batch", "2")
    assert "5 events read, 5 taken" in done.stdout
    for name in ("determinations.jsonl", "rejected.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_file_that_was_changed(stream: Path, tmp_path: Path) -> None:
    watch(stream, tmp_path / "out")
    stream.write_bytes(stream.read_bytes().replace(b"499", b"498"))
    done = watch(stream, tmp_path / "out")
    assert done.exit_code == 2 and "error[watch-input-changed]: line 5 is not" in done.stderr


def test_other_rules(stream: Path, tmp_path: Path) -> None:
    done = watch(
        stream, tmp_path / "out", "--rule", "first_listed", "--rule", "payment_threshold_score"
    )
    assert done.exit_code == 0
    written = (tmp_path / "out" / "determinations.jsonl").read_text().splitlines()
    said = {line["outcome"]: line["is"]["value"] for line in map(json.loads, written)}
    assert said == {
        f"first_listed[{FIRST},A1]": "march_31",
        "first_listed[1992999825,A1]": "march_31",
        "payment_threshold_score[A1,march_31]": "49.9%",
    }
    done = watch(stream, tmp_path / "out")
    assert done.exit_code == 2 and "error[watch-differs]" in done.stderr


def test_no_such_rule(stream: Path, tmp_path: Path) -> None:
    for name in ("qp_statuss", "final_score"):
        done = watch(stream, tmp_path / "out", "--rule", name)
        assert done.exit_code == 2 and f"error[unknown-rule]: no rule `{name}`" in done.stderr


def test_no_such_file(tmp_path: Path) -> None:
    done = watch(tmp_path / "none", tmp_path / "out")
    assert done.exit_code == 2 and "error[cannot-read-file]" in done.stderr
    assert not (tmp_path / "out").exists()


def test_another_process(stream: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    other = Store(tmp_path / "out" / "state.sqlite")
    other.run("BEGIN IMMEDIATE")
    done = watch(stream, tmp_path / "out")
    assert done.exit_code == 2 and "error[watch-in-use]" in done.stderr
    other.close()


def test_a_folder_of_something_else(stream: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "state.sqlite").write_bytes(b"something else" * 100)
    done = watch(stream, tmp_path / "out")
    assert done.exit_code == 2 and "error[watch-unreadable]" in done.stderr


def test_without_durable_rules(
    stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "unavailable", lambda: "it is not installed")
    done = watch(stream, tmp_path / "out")
    assert done.exit_code == 0
    assert done.stderr == "determinations are not checked a second time: it is not installed\n"


def test_a_check_finds_what_is_wrong(stream: Path, tmp_path: Path) -> None:
    watch(stream, tmp_path / "out")
    connection = sqlite3.connect(tmp_path / "out" / "state.sqlite")
    connection.execute("UPDATE subject SET determined = replace(determined, 'partial_qp', 'qp') "
                       f"WHERE keys = '[\"{FIRST}\"]'")  # fmt: skip
    connection.commit()
    connection.close()
    done = watch(stream, tmp_path / "out", "--check")
    assert done.exit_code == 4
    assert f"qp_status[{FIRST}] is another" in done.stderr


def test_standard_input_is_answered_as_it_comes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "finalrule", "watch", "-", "--policy", "2020-final",
               "--out", str(tmp_path / "out")]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    written = tmp_path / "out" / "determinations.jsonl"

    def await_(text: bytes) -> None:
        for _ in range(600):
            if written.exists() and text in written.read_bytes():
                return
            time.sleep(0.1)
        raise AssertionError(text)

    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(lines(ALL[:4]))
        process.stdin.flush()
        await_(b'"value":"qp"')
        process.stdin.write(lines(ALL[4:])[:50])
        process.stdin.flush()
        process.stdin.write(lines(ALL[4:])[50:].rstrip(b"\n"))
        process.stdin.close()
        said = process.stdout.read()
    assert process.returncode == 0
    assert b"5 events read, 5 taken" in said
    assert b'"is":{"value":"partial_qp"' in written.read_bytes()


def test_memory_does_not_grow_with_events(tmp_path: Path) -> None:
    """Five times the events about as many subjects: about the same memory."""

    def peak(count: int) -> int:
        stream = tmp_path / f"{count}.jsonl"
        stream.write_bytes(b"".join(events(40, 10, count)))
        command = [sys.executable, "-m", "finalrule", "watch", str(stream), "--policy",
                   "2020-final", "--out", str(tmp_path / str(count)), "--batch", "500"]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
        assert status == 0
        return used.ru_maxrss  # KiB

    assert peak(10_000) < peak(2_000) + 16 * 1024
