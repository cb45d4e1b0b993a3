"""Reading YAML as text with places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from finalrule.diagnostics import Failure
from finalrule.policy import positioned
from finalrule.policy.positioned import load, read_source
from finalrule.policy.tree import Listing, Mapping, Node, Scalar, plain
from finalrule.source import Source, Span


def codes(failure: pytest.ExceptionInfo[Failure]) -> list[str]:
    return [found.code for found in failure.value.diagnostics]


@pytest.mark.parametrize(
    "written", ["001", "012", "1:30", "no", "null", "~", "0x10", "1e3", "2020-01-01", ".5", "="]
)
def test_scalars_stay_as_written(written: str) -> None:
    assert plain(load(Source("x", f"a: {written}\n"), None)) == {"a": written}


def test_keys_and_values_know_their_places() -> None:
    tree = load(Source("x", "größe: 5\nlist:\n  - a\n  - {b: 'c d'}\n"), None)
    assert isinstance(tree, Mapping)
    size, listing = tree.entries["größe"], tree.entries["list"].value
    assert (str(size.key_span.place), size.key_span.text) == ("x:1:1", "größe")
    assert (str(size.value.span.place), size.value.span.text) == ("x:1:8", "5")
    assert isinstance(listing, Listing)
    assert listing.items[0].span.text == "a"
    inner = listing.items[1]
    assert isinstance(inner, Mapping)
    assert inner.span.text == "{b: 'c d'}"
    assert inner.entries["b"].value == Scalar("c d", inner.entries["b"].value.span)
    assert inner.entries["b"].value.span.text == "'c d'"


def test_an_empty_text_in_quotes_is_a_value() -> None:
    assert plain(load(Source("x", "a: ''\n"), None)) == {"a": ""}


@pytest.mark.parametrize("text", ["", "# a comment alone\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="x is empty") as failure:
        load(Source("x", text), None)
    assert codes(failure) == ["empty-value"]


@pytest.mark.parametrize("key", ["[a]", "{a: b}", '"a\\nb"', "''"])
def test_a_key_is_text_on_one_line(key: str) -> None:
    with pytest.raises(Failure) as failure:
        load(Source("x", f"? {key}\n: b\n"), None)
    assert codes(failure) == ["yaml-syntax"]


def test_twenty_levels_are_read_and_no_more() -> None:
    load(Source("x", "[" * 20 + "a" + "]" * 20), None)
    with pytest.raises(Failure) as failure:
        load(Source("x", "[" * 21 + "a" + "]" * 21), None)
    assert codes(failure) == ["nested-too-deep"]


def test_a_quoted_merge_sign_is_a_key_like_any_other() -> None:
    assert plain(load(Source("x", "'<<': a\n"), None)) == {"<<": "a"}


SIGNS = ["\x1b", "\x85", "\u200b", "\u2028", "\u202e", "\ufeff", "\x00"]


@pytest.mark.parametrize("sign", SIGNS)
def test_what_cannot_be_seen_is_refused_and_not_repeated(sign: str) -> None:
    escaped = f"\\u{ord(sign):04x}"
    for text, column in ((f"a: b{sign}c\n", 5), (f'a: "b{escaped}c"\n', 4)):
        with pytest.raises(Failure) as failure:
            load(Source("x", text), None)
        assert codes(failure) == ["unprintable-character"]
        assert sign not in str(failure.value)
        at = failure.value.diagnostics[0].labels[0].at
        assert isinstance(at, Span) and at.place.column == column


def test_the_schema_is_asked_only_of_sound_text() -> None:
    schema = {"type": "object", "additionalProperties": False, "properties": {}}
    with pytest.raises(Failure) as failure:
        load(Source("x", "a: b\na: c\n"), schema)
    assert codes(failure) == ["duplicate-key"]


def test_a_schema_shows_the_item_of_a_list() -> None:
    schema = {"items": {"type": "object", "required": ["name"], "properties": {}}}
    with pytest.raises(Failure) as failure:
        load(Source("x", "- name: a\n- nme: b\n"), schema)
    assert failure.value.diagnostics[0].message == "item 2 of the file has no `name`"
    at = failure.value.diagnostics[0].labels[0].at
    assert isinstance(at, Span) and at.text == "nme"


FILES = {
    "cannot-read-file": None,
    "file-too-large": b"a: " + b"x" * positioned.MAXIMUM_BYTES,
    "not-utf-8": b"# caf\xc3\xa9\r\na: \xe9t\xe9\r\n",
}


@pytest.mark.parametrize("code", FILES)
def test_unreadable_files(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = FILES[code]
    if content is not None:
        Path("final.yaml").write_bytes(content)
    with pytest.raises(Failure) as failure:
        read_source(Path("final.yaml"))
    expected = Path(__file__).parent / "bad" / f"{code}.txt"
    assert f"{failure.value}\n" == expected.read_text(encoding="utf-8")


def test_a_file_of_exactly_the_bound_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"x" * positioned.MAXIMUM_BYTES)
    assert len(read_source(file).text) == positioned.MAXIMUM_BYTES


def test_a_byte_order_mark_and_line_ends_of_windows_shift_nothing(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: b\r\nc: d\r\n")
    tree = load(read_source(file, known_as="x"), None)
    assert isinstance(tree, Mapping)
    assert str(tree.entries["c"].value.span.place) == "x:2:4"
    assert tree.entries["c"].value.span.text == "d"


def spans(node: Node) -> list[tuple[str, str]]:
    """Each scalar's text, and the text that its span covers."""
    if isinstance(node, Scalar):
        return [(node.text, node.span.text)]
    if isinstance(node, Listing):
        return [pair for item in node.items for pair in spans(item)]
    pairs = [(entry.key, entry.key_span.text) for entry in node.entries.values()]
    return pairs + [pair for entry in node.entries.values() for pair in spans(entry.value)]


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1
).filter(lambda text: text.isprintable())
trees = st.recursive(
    texts,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4),
        st.dictionaries(texts, inner, min_size=1, max_size=4),
    ),
    max_leaves=15,
)


@given(trees, st.sampled_from([None, False, True]), st.sampled_from(["'", '"', None]))
def test_what_is_written_is_read_and_found_where_it_stands(
    tree: Any, flow: bool | None, style: str | None
) -> None:
    text = yaml.safe_dump(
        tree, default_flow_style=flow, default_style=style, allow_unicode=True, width=10_000
    )
    read = load(Source("x", text), None)
    assert plain(read) == tree
    for value, covered in spans(read):
        assert covered and covered == covered.strip()
        if covered[0] == '"' and covered == json.dumps(value, ensure_ascii=False):
            continue
        assert covered in (value, "'" + value.replace("'", "''") + "'") or covered[0] == '"'


@given(st.text(st.sampled_from("ab:-[]{},&*!|>'\"%@#\n\t ?<\x07é\ufeff"), max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        load(Source("x", text), None)
    except Failure as failure:
        for found in failure.diagnostics:
            assert found.render()
            assert found.labels or found.code == "empty-value"


@given(st.text(st.sampled_from("ab:-[]{},'\"#\n "), max_size=40))
def test_both_parsers_agree(text: str) -> None:
    def outcome(loader: Any) -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(positioned, "_LOADER", loader)
            try:
                return plain(load(Source("x", text), None))
            except Failure:
                return None

    fast, pure = outcome(yaml.CSafeLoader), outcome(yaml.SafeLoader)
    if fast is not None and pure is not None:  # a few texts are refused by one of them alone
        assert fast == pure
