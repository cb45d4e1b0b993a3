"""The policy that a finished run was made with, refused where it is another one by now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finalrule import __version__
from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator, load_program
from finalrule.runs.request import MANIFEST

_CHANGED = "+set"


def policy_of(run: Path, manifest: Mapping[str, Any]) -> Evaluator:
    """The policy of a run with its settings, ready to evaluate. Raises Failure where another
    version of the engine made the run, or the policy was edited since."""
    _check_engine(run, manifest)
    evaluator = load_evaluator(policy_name(manifest), manifest["settings"])
    _check_policy(run, manifest, evaluator.program)
    return evaluator


def program_of(run: Path, manifest: Mapping[str, Any]) -> ir.Program:
    """The same, to be read alone."""
    _check_engine(run, manifest)
    program = load_program(policy_name(manifest), manifest["settings"])
    _check_policy(run, manifest, program)
    return program


def policy_name(manifest: Mapping[str, Any]) -> str:
    """The policy of a run without its settings."""
    name: str = manifest["policy"]
    return name.removesuffix(_CHANGED)


def _check_engine(run: Path, manifest: Mapping[str, Any]) -> None:
    made_by = manifest["engine_version"]
    if made_by != __version__:
        raise _failure(
            "engine-changed", f"the run was made by finalrule {made_by}; this is {__version__}",
            run, "", f"use finalrule {made_by}, or run the policy again",
        )  # fmt: skip


def _check_policy(run: Path, manifest: Mapping[str, Any], program: ir.Program) -> None:
    digest = manifest["policy_digest"]
    if program.digest != digest:
        raise _failure(
            "policy-changed", f"policy {policy_name(manifest)} is not what the run was made with",
            run, f"policy digest {digest[:12]}; it is {program.digest[:12]} now",
            "run the policy again, or bring it back to what it was",
        )  # fmt: skip


def _failure(code: str, message: str, run: Path, text: str, help: str) -> Failure:
    label = Label(Pointer(str(run / MANIFEST), ""), text)
    return Failure([Diagnostic(code, message, (label,), help)])
