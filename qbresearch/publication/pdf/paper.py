"""A layout as the template wants it: everything in points, fonts of the package in place of those Word knows."""

from __future__ import annotations

from typing import Any

from qbresearch.publication.pdf.tables import Sheet
from qbresearch.rules.layouts import Layout, TextStyle

POINTS_PER_MM = 72 / 25.4
# Family of the package and whether it has to be bold to be as heavy as the font it stands for.
FACES = {"黑体": ("sans", True), "楷体": ("kai", False), "方正小标宋简体": ("serif", True)}
OTHER_FACE = ("serif", False)
SIZE_STEP = 0.5


def sheet_of(layout: Layout) -> Sheet:
    """Text block of the pages and type sizes of the tables."""
    page = layout.measures
    width, height, *margins = (
        page[name] * POINTS_PER_MM for name in ("page_width", "page_height", "top", "bottom", "left", "right")
    )
    largest, smallest = layout.styles["cell"].size, layout.styles["cell_small"].size
    steps = int((largest - smallest) / SIZE_STEP)
    sizes = tuple(largest - SIZE_STEP * step for step in range(steps + 1))
    cell = layout.styles["cell"]
    return Sheet(width, height, tuple(margins), sizes, cell.line / cell.size, cell.before + cell.after)


def paper_settings(layout: Layout) -> dict[str, Any]:
    """Page, rules and styles of text as plain data."""
    points = {name: layout.measures[name] * POINTS_PER_MM for name in _LENGTHS}
    lines, characters = layout.measures["lines"], layout.measures["characters"]
    pitch = layout.text_height * POINTS_PER_MM / lines if lines else layout.styles["body"].line
    body = layout.styles["body"].size
    return {
        "page": points,
        "pitch": pitch,
        "tracking": layout.text_width * POINTS_PER_MM / characters - body if characters else 0.0,
        "rules": {"thick": layout.measures["rule_thick"], "thin": layout.measures["rule_thin"]},
        "styles": {name: _style(style, pitch) for name, style in layout.styles.items()},
        "pagenumber": layout.choices["page_number"],
        "colour": layout.choices["colour"],
    }


_LENGTHS = ("page_width", "page_height", "top", "bottom", "left", "right", "header", "footer")


def _style(style: TextStyle, pitch: float) -> dict[str, Any]:
    face, heavy = FACES.get(style.font, OTHER_FACE)
    return {
        "face": face,
        "bold": style.bold or heavy,
        "size": style.size,
        "align": style.align,
        "before": style.before,
        "after": style.after,
        "line": style.line or pitch,
        "first": style.first,
        "left": style.left,
        "hanging": style.hanging,
    }
