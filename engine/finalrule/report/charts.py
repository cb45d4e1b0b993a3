"""Charts as SVG. Places on the page are floats; what is written in words is exact.

Regions of the final score are told apart by pattern as well as by colour, so that they stay apart
in greyscale. Each chart has its title and a description, and the tables have its numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, sqrt
from xml.etree.ElementTree import Element

from finalrule.report import cells, words
from finalrule.report.curve import curve
from finalrule.report.markup import add, el
from finalrule.report.model import NEGATIVE, REGIONS, PracticeSize, Summary
from finalrule.report.scan import STEP

_WIDTH = 900
# Fill of each region, and the stroke of its pattern; none is plain.
_FILLS = {
    "lowest_quarter": ("#7a2e1d", ""),
    "below_threshold": ("#f2cdbf", "#a4452c"),
    "at_threshold": ("#ffffff", ""),
    "above_threshold": ("#cfe0ef", ""),
    "exceptional": ("#1f4e79", "#8fb4d6"),
}
# The places of the chart's frame: left, right, top, bottom.
_LEFT, _RIGHT = 62, 24


@dataclass(frozen=True, slots=True)
class _Scale:
    """A linear scale from values to places on the page."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float | Fraction) -> float:
        return self.start + (float(value) - self.low) / (self.high - self.low) * (
            self.end - self.start
        )


def histogram(summary: Summary) -> Element:
    """How many clinicians have which final score."""
    height, top, bottom = 340, 64, 46
    sums: dict[int, int] = {}
    for one in summary.bins:
        sums[one.step] = sums.get(one.step, 0) + one.clinicians
    everybody = summary.adjusted.clinicians or 1
    ticks = _ticks(0, max(sums.values(), default=1) / everybody * 100)
    across = _Scale(0, 100, _LEFT, _WIDTH - _RIGHT)
    up = _Scale(0, ticks[-1], height - bottom, top)
    overall = next(one for one in summary.scores if one.size == "all")
    said = (
        f"{summary.adjusted.clinicians:,} clinicians by final score in steps of {STEP} points. "
        f"Mean {cells.points(overall.mean).shown}, median {cells.points(overall.median).shown}."
    )
    chart = _chart("histogram", height, "Final scores", said)
    add(chart, *_across_grid(ticks, up, "% of clinicians"), *_scores_axis(across, height - bottom))
    reached: dict[int, float] = {}
    for one in summary.bins:
        below = reached.get(one.step, 0.0)
        above = below + one.clinicians / everybody * 100
        reached[one.step] = above
        left, right = across(one.step * STEP) + 1, across((one.step + 1) * STEP) - 1
        bar = el("rect", x=left, y=up(above), width=right - left, height=up(below) - up(above),
                 class_=f"region {one.region}", fill=_fill(one.region))  # fmt: skip
        tip = f"{words.between(one.low, one.high)} points: {one.clinicians:,} clinicians"
        add(chart, add(bar, el("title", tip)))
    add(chart, *_thresholds(summary, across, top, height - bottom))
    for title, value, x in (
        ("mean", overall.mean, _LEFT), ("median", overall.median, _LEFT + 120)
    ):  # fmt: skip
        if value is not None:
            below = height - bottom
            said = f"{title} {cells.points(value).shown}"
            add(chart, _pointer(across(value), below, title), _pointer(x + 5, below + 29, title),
                el("text", said, x=x + 15, y=below + 38, class_="note"))  # fmt: skip
    return add(chart, *_legend(_regions(summary), 16))


def adjustment_curve(summary: Summary) -> Element:
    """The total adjustment for each final score, and where clinicians lie on it."""
    height, top, bottom = 350, 34, 46
    segments = curve(summary)
    values = [float(y) for piece in segments for _, y in piece]
    values += [float(one.mean_adjustment) for one in summary.bins]
    ticks = _ticks(min([*values, 0]), max([*values, 1]) * 1.15)
    across = _Scale(0, 100, _LEFT, _WIDTH - _RIGHT)
    up = _Scale(ticks[0], ticks[-1], height - bottom, top)
    said = (
        "Total payment adjustment in percent by final score. Circles are clinicians in steps of "
        f"{STEP} points, at their mean score and mean adjustment; their areas are their numbers."
    )
    chart = _chart("curve", height, "Payment adjustment", said)
    add(chart, *_across_grid(ticks, up, "adjustment in %"), *_scores_axis(across, height - bottom),
        el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=up(0), y2=up(0), class_="zero"))  # fmt: skip
    for before, after in itertools.pairwise(segments):
        (x, y), (_, z) = before[-1], after[0]
        if y != z:
            add(chart, el("line", x1=across(x), x2=across(x), y1=up(y), y2=up(z), class_="jump"))
    for piece in segments:
        points = " ".join(f"{across(x):.2f},{up(y):.2f}" for x, y in piece)
        add(chart, el("polyline", points=points, class_="curve"))
    most = max((one.clinicians for one in summary.bins), default=1)
    for one in summary.bins:
        circle = el("circle", cx=across(one.mean_score), cy=up(one.mean_adjustment),
                    r=max(1.5, 18 * sqrt(one.clinicians / most)), class_="clinicians")  # fmt: skip
        tip = (
            f"{one.clinicians:,} clinicians, mean score {cells.points(one.mean_score).shown}, "
            f"mean adjustment {cells.percent(one.mean_adjustment).shown}"
        )
        add(chart, add(circle, el("title", tip)))
    return add(chart, *_thresholds(summary, across, top, height - bottom))


def practice_sizes(summary: Summary) -> Element:
    """Shares of clinicians by kind of adjustment, by practice size; published shares below."""
    shown = [one for one in summary.practice_sizes if one.submitting]
    published = any("negative" in one.published for one in shown)
    step, top, bottom = (58 if published else 40), 44, 46
    height = top + step * len(shown) + bottom
    across = _Scale(0, 100, 110, _WIDTH - 130)
    said = "; ".join(f"{one.size}: {_said(one)}" for one in shown if one.total.clinicians)
    chart = _chart("sizes", height, "Clinicians who submitted data, by practice size", f"{said}.")
    for at in range(0, 101, 20):
        x = across(at)
        add(chart, el("line", x1=x, x2=x, y1=top, y2=height - bottom, class_="grid"),
            el("text", f"{at}", x=x, y=height - bottom + 16, class_="tick middle"))  # fmt: skip
    add(chart, el("text", "% of clinicians", x=(across(0) + across(100)) / 2,
                  y=height - bottom + 34, class_="axis middle"),
        el("text", "combined impact", x=_WIDTH - 10, y=top - 8, class_="axis end"))  # fmt: skip
    for place, one in enumerate(shown):
        y = top + place * step + 6
        add(chart, el("text", one.size, x=100, y=y + 17, class_="label end"),
            el("text", cells.share(one.impact(), 2, signed=True).shown, x=_WIDTH - 10, y=y + 17,
               class_="label end"))  # fmt: skip
        shares = [(kind, float(one.share(kind) or 0) * 100) for kind in REGIONS]
        add(chart, *_bar(shares, across, y, 24))
        if "negative" in one.published:
            negative, exceptional = one.published["negative"], one.published["exceptional"]
            add(chart, *_bar(
                [("below_threshold", float(negative) * 100),
                 ("above_threshold", float(1 - negative - exceptional) * 100),
                 ("exceptional", float(exceptional) * 100)], across, y + 27, 9,
            ), el("text", "published", x=100, y=y + 36, class_="note end"))  # fmt: skip
            if "impact" in one.published:
                add(chart, el("text", cells.share(one.published["impact"], 1, signed=True).shown,
                              x=_WIDTH - 10, y=y + 36, class_="note end"))  # fmt: skip
    return add(chart, *_legend(_regions(summary), 16))


def _said(one: PracticeSize) -> str:
    negative, exceptional = one.share(*NEGATIVE), one.share("exceptional")
    return (
        f"{cells.share(negative).shown} negative, {cells.share(exceptional).shown} exceptional, "
        f"impact {cells.share(one.impact(), 2, signed=True).shown}"
    )


def _chart(name: str, height: float, title: str, said: str) -> Element:
    """An empty chart with its title and its description."""
    chart = el(
        "svg", viewBox=f"0 0 {_WIDTH} {height:.0f}", role="img",
        aria_labelledby=f"{name}-title {name}-said",
    )  # fmt: skip
    return add(chart, el("title", title, id=f"{name}-title"), el("desc", said, id=f"{name}-said"))


def patterns() -> Element:
    """The patterns that the charts of a page fill regions with."""
    found = el("defs")
    for place, (region, (fill, stroke)) in enumerate(_FILLS.items()):
        if stroke:
            add(found, add(
                el("pattern", id=region, width=7, height=7, patternUnits="userSpaceOnUse",
                   patternTransform=f"rotate({45 + 90 * place})"),
                el("rect", width=7, height=7, fill=fill),
                el("line", x1=0, y1=0, x2=0, y2=7, stroke=stroke, stroke_width=3),
            ))  # fmt: skip
    return el("svg", found, width=0, height=0, aria_hidden="true", class_="patterns")


def _fill(region: str) -> str:
    fill, stroke = _FILLS[region]
    return f"url(#{region})" if stroke else fill


def _regions(summary: Summary) -> list[str]:
    exceptional = "additional_performance_threshold" in summary.figures
    return [one for one in REGIONS if exceptional or one != "exceptional"]


def _bar(
    shares: Iterable[tuple[str, float]], across: _Scale, y: float, height: float
) -> Iterable[Element]:
    reached = 0.0
    for region, share in shares:
        if share > 0:
            yield el(
                "rect", x=across(reached), y=y, width=across(reached + share) - across(reached),
                height=height, fill=_fill(region), class_=f"region {region}",
            )  # fmt: skip
        reached += share


def _across_grid(ticks: Sequence[float], up: _Scale, title: str) -> Iterable[Element]:
    for tick in ticks:
        y = up(tick)
        yield el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
        yield el("text", f"{tick:g}".replace("-", cells.MINUS), x=_LEFT - 8, y=y + 4,
                 class_="tick end")  # fmt: skip
    middle = (up.start + up.end) / 2
    yield el("text", title, x=16, y=middle, transform=f"rotate(-90 16 {middle:.1f})",
             class_="axis middle")  # fmt: skip


def _scores_axis(across: _Scale, bottom: float) -> Iterable[Element]:
    yield el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=bottom, y2=bottom, class_="frame")
    for at in range(0, 101, 10):
        yield el("line", x1=across(at), x2=across(at), y1=bottom, y2=bottom + 4, class_="frame")
        yield el("text", f"{at}", x=across(at), y=bottom + 18, class_="tick middle")
    yield el("text", "final score in points", x=(across(0) + across(100)) / 2, y=bottom + 38,
             class_="axis middle")  # fmt: skip


def _thresholds(summary: Summary, across: _Scale, top: float, bottom: float) -> Iterable[Element]:
    threshold = summary.figures["performance_threshold"]
    lines = [(threshold / 4, "a quarter of it"), (threshold, "performance threshold")]
    if "additional_performance_threshold" in summary.figures:
        lines.append((summary.figures["additional_performance_threshold"], "additional threshold"))
    for at, title in lines:
        x = across(at)
        yield el("line", x1=x, x2=x, y1=top - 12, y2=bottom, class_="threshold")
        yield el("text", f"{words.score(at)} {title}", x=x + 4, y=top - 6, class_="label")


def _pointer(x: float, y: float, title: str) -> Element:
    """A mark that points up to a place."""
    return el("path", d=f"M {x:.2f} {y:.2f} l -5 8 l 10 0 z", class_=f"pointer {title}")


def _legend(regions: Sequence[str], y: float) -> Iterable[Element]:
    x = float(_LEFT)
    for region in regions:
        yield el("rect", x=x, y=y - 11, width=22, height=13, class_=f"region {region}",
                 fill=_fill(region))  # fmt: skip
        yield el("text", words.REGIONS[region], x=x + 28, y=y, class_="label")
        x += 48 + 6.4 * len(words.REGIONS[region])


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most `low` to at least `high`, five to ten of them."""
    rough = (high - low) / 8
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100):
        if step >= rough:
            break
    first, last = -ceil(-low / step), ceil(high / step)
    return [round(place * step, 6) for place in range(first, last + 1)]
