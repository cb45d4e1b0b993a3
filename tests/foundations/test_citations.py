"""Citations of law and of named sources."""

from __future__ import annotations

import pytest

from finalrule.citations import parse_citation

SOURCES = ("HPA-2019", "CMS-PUF")


@pytest.mark.parametrize(
    ("text", "kind", "work", "path", "part"),
    [
        ("42 CFR 414.1405", "cfr", "414.1405", "", "42 CFR 414.1405"),
        ("42 CFR 414.1405(b)(7)", "cfr", "414.1405", "(b)(7)", "42 CFR 414.1405"),
        (
            "42 CFR 414.1380(b)(1)(i)(A)(2)(ii)", "cfr", "414.1380", "(b)(1)(i)(A)(2)(ii)",
            "42 CFR 414.1380",
        ),
        # A definition has no paragraph of its own in the section: it is named by its term.
        (
            "42 CFR 414.1305 (small practice)(3)", "cfr", "414.1305", "(small practice)(3)",
            "42 CFR 414.1305",
        ),
        (
            "42 CFR 414.1305 (MIPS determination period)(1)", "cfr", "414.1305",
            "(MIPS determination period)(1)", "42 CFR 414.1305",
        ),
        ("42 CFR 414.1305 (Group)", "cfr", "414.1305", "(Group)", "42 CFR 414.1305"),
        (
            "42 CFR 414.1305 (low-volume threshold)", "cfr", "414.1305", "(low-volume threshold)",
            "42 CFR 414.1305",
        ),
        ("84 FR 63031", "fr", "84 FR", "63031", "84 FR"),
        ("84 FR 63031-63035", "fr", "84 FR", "63031", "84 FR"),
        (
            "42 U.S.C. 1395w-4(q)(6)(A)", "usc", "42 U.S.C. 1395w-4", "(q)(6)(A)",
            "42 U.S.C. 1395w-4",
        ),
        ("HPA-2019 III.K.3.e(1)", "source", "HPA-2019", "III.K.3.e(1)", "HPA-2019"),
        ("CMS-PUF", "source", "CMS-PUF", "", "CMS-PUF"),
    ],
)  # fmt: skip
def test_forms(text: str, kind: str, work: str, path: str, part: str) -> None:
    found = parse_citation(text, SOURCES)
    assert found is not None
    assert (found.kind, found.work, found.path, found.part) == (kind, work, path, part)
    assert str(found) == text


def test_blanks_do_not_matter() -> None:
    found = parse_citation("  42 CFR\n 414.1405(b) ", SOURCES)
    assert found == parse_citation("42 CFR 414.1405(b)")


@pytest.mark.parametrize(
    "text",
    [
        "", "414.1405(b)(7)", "42 CFR", "42 CFR 414", "42 CFR 414.1405 (b)",
        "42 CFR 414.1405(b) (7)", "42 CFR 414.1405(b", "42 CFR 414.1405b", "42 CFR 414.1305 ()",
        "42 CFR 414.1305 (iii)",
        "42 CFR 414.1305 (a (b))", "42 CFR 414.1405(b)(7).", "42 cfr 414.1405", "§ 414.1405",
        "84 FR", "84 FR 63,031", "FR 63031", "84 FR 63035-63031", "84 FR 63031-63031",
        "42 USC 1395w-4", "42 U.S.C. 1395w-4 (q)",
        "NONE-2019 III", "hpa-2019 III", "HPA-2019III", "HPA-2019-III.K",
        "\u0664\u0662 CFR 414.1405",
    ],
)  # fmt: skip
def test_what_is_no_citation(text: str) -> None:
    assert parse_citation(text, SOURCES) is None


def test_a_source_must_be_known() -> None:
    assert parse_citation("HPA-2019 III.K") is None
    assert parse_citation("HPA-2019 III.K", SOURCES) is not None
