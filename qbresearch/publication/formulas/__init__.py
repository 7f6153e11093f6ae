"""Formulas: one LaTeX source becomes MathML for the web, editable mathematics for Word, and typst for PDF.

A formula is read once into a tree, and all three formats are written from that tree, so they hold the same signs.
What one of them could not print is refused when the formula is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from lxml import etree
from markupsafe import Markup

from qbresearch.errors import InputError
from qbresearch.publication.formulas.mathml import write_mathml
from qbresearch.publication.formulas.omml import write_omml
from qbresearch.publication.formulas.tex import read_tex
from qbresearch.publication.formulas.tree import FormulaFault, Node
from qbresearch.publication.formulas.typst import write_typst

__all__ = ["Formula", "parse_formula", "spoken", "to_mathml", "to_omml", "to_typst"]

_KEPT = 2048
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that every format can print; made by :func:`parse_formula`.

    Parameters
    ----------
    tex : str
        Its LaTeX, without dollar signs.
    display : bool
        Whether it stands on a line of its own.
    tree : Node
        What it says, apart from any notation.
    """

    tex: str
    display: bool
    tree: Node = field(repr=False, compare=False)


def parse_formula(tex: str, *, display: bool, where: str) -> Formula:
    """Read the LaTeX of a formula.

    Parameters
    ----------
    tex : str
        What stands between the dollar signs.
    display : bool
        Whether it stands on a line of its own.
    where : str
        Where it stands, for the message.

    Raises
    ------
    InputError
        It is no formula, or it says something that one of the formats could not print.
    """
    try:
        return _parsed(tex, display)
    except FormulaFault as fault:
        source = spoken(tex)
        shown = source if len(source) <= _SHOWN else source[:_SHOWN] + "…"
        raise InputError(
            fault.problem,
            where=f"{where}，公式 {shown}" if shown else where,
            found=fault.found,
            expected="网页、Word 和 PDF 都能印出的 LaTeX 公式",
            fix=fault.fix,
        ) from fault


def to_mathml(formula: Formula) -> Markup:
    """The formula as a ``math`` element for a web page; nothing in it can be markup of the page.

    Parameters
    ----------
    formula : Formula
        See :func:`parse_formula`.
    """
    return _mathml(formula)


def to_omml(formula: Formula) -> etree._Element:
    """The formula as a new element for a Word file: ``m:oMathPara`` on a line of its own, else ``m:oMath``.

    Parameters
    ----------
    formula : Formula
        See :func:`parse_formula`.
    """
    return etree.fromstring(_omml(formula))


def to_typst(formula: Formula) -> str:
    """The formula as typst mathematics, without dollar signs.

    Parameters
    ----------
    formula : Formula
        See :func:`parse_formula`.
    """
    return _typst(formula)


def spoken(formula: Formula | str) -> str:
    """What a reader who cannot see the formula is told: its LaTeX in one line.

    Parameters
    ----------
    formula : Formula or str
        A formula, or its LaTeX.
    """
    return " ".join((formula if isinstance(formula, str) else formula.tex).split())


# A county report repeats the formulas of its template; thousands of counties share them.


@lru_cache(maxsize=_KEPT)
def _parsed(tex: str, display: bool) -> Formula:
    return Formula(tex.strip(), display, read_tex(tex))


@lru_cache(maxsize=_KEPT)
def _mathml(formula: Formula) -> Markup:
    return write_mathml(formula.tree, display=formula.display)


@lru_cache(maxsize=_KEPT)
def _omml(formula: Formula) -> bytes:
    return bytes(etree.tostring(write_omml(formula.tree, display=formula.display)))


@lru_cache(maxsize=_KEPT)
def _typst(formula: Formula) -> str:
    return write_typst(formula.tree)
