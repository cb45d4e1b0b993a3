"""durable-rules, driven by a loop of our own. The only module that imports it.

Its documented host is not used: threads of its own run actions late, swallow what they raise and
crash together with deletion. Here one record is one session: its facts are asserted, what may fire
fires, each firing is recorded and its conclusion asserted, and the session is deleted. There is one
session id, so that there is never more than one session, and fact ids count from 1, because both
are known to the engine by 32 bits alone.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import msgspec

from finalrule.runtime.ruleset import (
    OPEN,
    PHASE,
    RECORD,
    RESULT,
    STEP,
    TYPE,
    EngineRule,
    Ruleset,
    definition,
)  # fmt: skip

_SESSION = "s"
# One record has at most as many firings as its ruleset has rules.
_MAXIMUM_FIRINGS = 1000
_ID_TAKEN = 2

_frame = msgspec.json.Decoder(dict[str, dict[str, dict[str, int | str]]])


class Fired(msgspec.Struct, frozen=True):
    """A rule that fired, by its place in the ruleset, and the types of the facts it matched."""

    rule: int
    matched: tuple[str, ...]


class Concluded(msgspec.Struct, frozen=True):
    """What one record came to: the numbers of the results of each determination (one, unless rules
    contradict each other), and the firings in their order."""

    results: dict[str, tuple[int, ...]]
    fired: tuple[Fired, ...]


# Fires a ruleset, by its place, for records: the numbers of its inputs in order.
Fire = Callable[[int, Sequence[tuple[int, ...]]], list[Concluded]]


class EngineError(Exception):
    """The engine did not do what its measured behaviour is."""


def unavailable() -> str:
    """Why durable-rules cannot be used here, in one line; empty when it can."""
    if sys.version_info >= (3, 13):
        return "durable-rules does not work with Python 3.13 or later"
    if importlib.util.find_spec("durable_rules_engine") is None:
        return "durable-rules is not installed"
    return ""


class Engine:
    """Rulesets made ready. Raises EngineError when durable-rules does not take one."""

    def __init__(self, rulesets: Sequence[Ruleset]) -> None:
        import durable_rules_engine

        self._sessions = [_Session(durable_rules_engine, ruleset) for ruleset in rulesets]

    def fire(self, ruleset: int, records: Sequence[tuple[int, ...]]) -> list[Concluded]:
        """What the records come to, one after the other, each afresh from its facts."""
        session = self._sessions[ruleset]
        return [session.run(record) for record in records]

    def close(self) -> None:
        """Give back what the engine holds."""
        for session in self._sessions:
            session.close()


class _Session:
    """One ruleset in the engine."""

    def __init__(self, library: ModuleType, ruleset: Ruleset) -> None:
        self.library, self.ruleset = library, ruleset
        self.rules = {rule.name: place for place, rule in enumerate(ruleset.rules)}
        properties = "".join(f',"{name}":%d' for name in ruleset.inputs)
        self.record = f'{{"{TYPE}":"{RECORD}"{properties}'
        try:
            self.handle = library.create_ruleset(ruleset.name, json.dumps(definition(ruleset)))
        except library.error as problem:
            raise EngineError(f"ruleset {ruleset.name} is not taken: {problem}") from problem

    def close(self) -> None:
        self.library.delete_ruleset(self.handle)

    def run(self, record: tuple[int, ...]) -> Concluded:
        """Assert the record's facts, then one phase after the other, and drain after each."""
        results: dict[str, list[int]] = {}
        fired: list[Fired] = []
        self.facts = 0
        try:
            self.state = self._assert(f'{{"{TYPE}":"{OPEN}"')
            self._drain(results, fired)
            self._assert(self.record % record)
            self._drain(results, fired)
            for step in range(1, self.ruleset.phases + 1):
                self._assert(f'{{"{TYPE}":"{PHASE}","{STEP}":{step}')
                self._drain(results, fired)
        except self.library.error as problem:
            raise EngineError(f"ruleset {self.ruleset.name}: {problem}") from problem
        finally:
            self.library.delete_state(self.handle, _SESSION)
        return Concluded({name: tuple(found) for name, found in results.items()}, tuple(fired))

    def _assert(self, text: str) -> int:
        """Assert a fact, given without its ids; the place of its session."""
        self.facts += 1
        code, state = self.library.assert_fact(
            self.handle, f'{text},"sid":"{_SESSION}","id":"f{self.facts}"}}'
        )
        if code == _ID_TAKEN:
            raise EngineError(f"ruleset {self.ruleset.name}: two facts have one id")
        found: int = state
        return found

    def _drain(self, results: dict[str, list[int]], fired: list[Fired]) -> None:
        """Fire until nothing is left to fire."""
        library, handle, state = self.library, self.handle, self.state
        started = library.start_action_for_state(handle, state)
        message = started[1] if started else None
        while message:
            if len(fired) > _MAXIMUM_FIRINGS:
                raise EngineError(f"ruleset {self.ruleset.name} does not come to an end")
            ((name, frame),) = _frame.decode(message).items()
            if name != OPEN:
                place = self.rules[name]
                fired.append(Fired(place, _types(frame)))
                self._conclude(self.ruleset.rules[place], results)
            message = library.complete_and_start_action(handle, state)

    def _conclude(self, rule: EngineRule, results: dict[str, list[int]]) -> None:
        """Assert a conclusion, once however many rules lead to it."""
        known = results.setdefault(rule.determination, [])
        if rule.result not in known:
            known.append(rule.result)
            self._assert(f'{{"{TYPE}":"{rule.determination}","{RESULT}":{rule.result}')


def _types(frame: Mapping[str, Mapping[str, int | str]]) -> tuple[str, ...]:
    return tuple(str(fact[TYPE]) for fact in frame.values())
