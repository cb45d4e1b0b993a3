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
    """The policy of a run with its settings, ready to evaluate. Raises Failure as `program_of`."""
    program_of(run, manifest)
    return load_evaluator(policy_name(manifest), manifest["settings"])


def program_of(run: Path, manifest: Mapping[str, Any]) -> ir.Program:
    """The policy of a run with its settings. Raises Failure where another version of the engine
    made the run, or the policy was edited since."""
    made_by = manifest["engine_version"]
    if made_by != __version__:
        raise _failure(
            "engine-changed", f"the run was made by finalrule {made_by}; this is {__version__}",
            run, "", f"use finalrule {made_by}, or run the policy again",
        )  # fmt: skip
    policy = policy_name(manifest)
    program = load_program(policy, manifest["settings"])
    digest = manifest["policy_digest"]
    if program.digest != digest:
        raise _failure(
            "policy-changed", f"policy {policy} is not what the run was made with",
            run, f"policy digest {digest[:12]}; it is {program.digest[:12]} now",
            "run the policy again, or bring it back to what it was",
        )  # fmt: skip
    return program


def policy_name(manifest: Mapping[str, Any]) -> str:
    """The policy of a run without its settings."""
    name: str = manifest["policy"]
    return name.removesuffix(_CHANGED)


def _failure(code: str, message: str, run: Path, text: str, help: str) -> Failure:
    label = Label(Pointer(str(run / MANIFEST), ""), text)
    return Failure([Diagnostic(code, message, (label,), help)])
