"""Every citation in the rules files can be read, and names a source that is known."""

from __future__ import annotations

from finalrule.core.compile import read_rules
from finalrule.core.declare import declare
from finalrule.diagnostics import Failure, Report
from finalrule.language.parse import parse
from finalrule.places import policies_root
from finalrule.policy.sources import load_sources
from finalrule.source import Source


def errors(sources: list[Source]) -> list[str]:
    report = Report()
    modules = [(source, module) for source in sources if (module := parse(source, report))]
    declare(modules, report, load_sources(policies_root()))
    return [Failure([finding]).args[0] for finding in report.diagnostics]


def test_the_sources_of_the_rules_are_known() -> None:
    assert errors(read_rules(policies_root() / "rules")) == []


def test_a_source_that_is_not_known_is_reported() -> None:
    text = """module a
entity program
rule always for program: yes_no
  cites "HPA-2091 III.K.3.e(1)"
  clause always: yes always
"""
    (error,) = errors([Source("a.rules", text)])
    assert error.startswith(
        "error[unknown-source]: policies/sources.yaml names no source `HPA-2091`"
    )
    assert "a.rules:4:9" in error
