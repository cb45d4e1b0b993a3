"""Small programs on DuckDB, held against the exact evaluator: every rule's outcome, what decided
it, and what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from evaluate.small import Small, small
from finalrule.agreement.sql import OnDuckDB, SqlReader
from finalrule.evaluate.scalar import Evaluation
from finalrule.facts.case import Case

Facts = Mapping[str, object]


@cache
def reader_of(made: Small) -> SqlReader:
    """The program as SQL, compiled once."""
    return SqlReader(made.evaluator.program, made.evaluator.catalogues, OnDuckDB)


def agreed_cases(made: Small, cases: Iterable[Case]) -> list[Evaluation]:
    """The cases, which are run together, as the exact evaluator has them. Fails where DuckDB gives
    another outcome, decides it by another clause, or needs other facts."""
    cases = list(cases)
    reader = reader_of(made)
    assert reader.rules == {rule.name for rule in made.evaluator.program.rules}
    reader.begin(cases)
    evaluations = [made.evaluator.evaluate(case) for case in cases]
    for place, evaluation in enumerate(evaluations):
        found = [one.diagnostic().message for one in reader.differences(place, evaluation)]
        assert not found, f"case {place}: {found}"
    return evaluations


def agreed(
    rules: str, cases: Iterable[Facts], year: str = "parameters: {}\n", catalogue: str = ""
) -> list[Evaluation]:
    """The same for a program's text, and cases in a few words, as `small` takes them."""
    made = small(rules, year, catalogue)
    return agreed_cases(made, [made.case(facts) for facts in cases])
