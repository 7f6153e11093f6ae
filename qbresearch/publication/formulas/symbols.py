"""The commands a published formula may use, and the sign each stands for.

The list is closed on purpose: a command outside it is refused, so that no format prints what another leaves out.
"""

from __future__ import annotations

from types import MappingProxyType

from qbresearch.publication.formulas.tree import Kind


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_SIGNS: dict[Kind, dict[str, str]] = {
    "identifier": _pairs(
        "alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ vartheta ϑ iota ι kappa κ "
        "lambda λ mu μ nu ν xi ξ omicron ο pi π varpi ϖ rho ρ varrho ϱ sigma σ varsigma ς tau τ upsilon υ phi ϕ "
        "varphi φ chi χ psi ψ omega ω ell ℓ imath ı jmath ȷ"
    ),
    "symbol": _pairs(
        "infty ∞ partial ∂ nabla ∇ forall ∀ exists ∃ nexists ∄ neg ¬ lnot ¬ emptyset ∅ varnothing ∅ hbar ℏ Re ℜ "
        "Im ℑ aleph ℵ prime ′ top ⊤ bot ⊥ angle ∠ triangle △ square □ dots … ldots … cdots ⋯ vdots ⋮ ddots ⋱ "
        "dotsc … dotsb ⋯ degree ° checkmark ✓ dagger † ddagger ‡ S § P ¶ % % # # $ $ & & _ _ backslash \\"
    ),
    "binary": _pairs(
        "pm ± mp ∓ times × cdot ⋅ div ÷ ast ∗ star ⋆ circ ∘ bullet ∙ oplus ⊕ ominus ⊖ otimes ⊗ odot ⊙ cup ∪ cap ∩ "
        "setminus ∖ wedge ∧ land ∧ vee ∨ lor ∨ amalg ⨿ bmod mod"
    ),
    "relation": _pairs(
        "lt < gt > le ≤ leq ≤ ge ≥ geq ≥ leqslant ⩽ geqslant ⩾ ne ≠ neq ≠ approx ≈ sim ∼ simeq ≃ cong ≅ equiv ≡ "
        "propto ∝ asymp ≍ doteq ≐ in ∈ notin ∉ ni ∋ subset ⊂ subseteq ⊆ supset ⊃ supseteq ⊇ to → rightarrow → "
        "leftarrow ← gets ← leftrightarrow ↔ Rightarrow ⇒ Leftarrow ⇐ Leftrightarrow ⇔ implies ⟹ iff ⟺ "
        "longrightarrow ⟶ mapsto ↦ uparrow ↑ downarrow ↓ mid ∣ nmid ∤ parallel ∥ perp ⊥ ll ≪ gg ≫ prec ≺ succ ≻ "
        "preceq ⪯ succeq ⪰ models ⊨ vdash ⊢ because ∵ therefore ∴ lesssim ≲ gtrsim ≳"
    ),
    "punctuation": _pairs("colon :"),
    "open": _pairs("{ { lbrace { lbrack [ lparen ( langle ⟨ lfloor ⌊ lceil ⌈ lvert | lVert ‖"),
    "close": _pairs("} } rbrace } rbrack ] rparen ) rangle ⟩ rfloor ⌋ rceil ⌉ rvert | rVert ‖"),
    "bar": _pairs("| ‖ vert | Vert ‖"),
    "sum": _pairs(
        "sum ∑ prod ∏ coprod ∐ bigcup ⋃ bigcap ⋂ bigoplus ⨁ bigotimes ⨂ bigvee ⋁ bigwedge ⋀ bigsqcup ⨆"
    ),
    "integral": _pairs("int ∫ iint ∬ iiint ∭ oint ∮"),
    "function": {
        name: name
        for name in (
            ["arccos", "arcsin", "arctan", "arg", "cos", "cosh", "cot", "coth", "csc", "deg", "dim", "exp", "hom", "ker", "lg", "ln", "log", "sec", "sin", "sinh", "tan", "tanh"]
        )
    },
    "limit": {
        **{name: name for name in ["lim", "max", "min", "sup", "inf", "det", "gcd", "Pr"]},
        "limsup": "lim sup",
        "liminf": "lim inf",
    },
}
CAPITALS = _pairs("Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Upsilon Υ Phi Φ Psi Ψ Omega Ω")

COMMANDS: MappingProxyType[str, tuple[Kind, str]] = MappingProxyType(
    {f"\\{name}": (kind, sign) for kind, names in _SIGNS.items() for name, sign in names.items()}
)
# The hyphen and the asterisk of the keyboard are not the signs a reader knows.
CHARACTERS: MappingProxyType[str, tuple[Kind, str]] = MappingProxyType(
    {
        **{char: ("binary", sign) for char, sign in _pairs("+ + - − * ∗").items()},
        **{char: ("relation", char) for char in "=<>:"},
        **{char: ("punctuation", char) for char in ",;"},
        **{char: ("symbol", char) for char in "/.!?@"},
        **{char: ("open", char) for char in "(["},
        **{char: ("close", char) for char in ")]"},
        "|": ("bar", "|"),
        # signs typed as themselves
        **{sign: (kind, sign) for kind, names in _SIGNS.items() for sign in names.values() if not sign.isascii()},
        "−": ("binary", "−"),
        "·": ("binary", "⋅"),
        "‰": ("symbol", "‰"),
    }
)
DELIMITERS = MappingProxyType(
    {
        **{name: sign for name, (kind, sign) in COMMANDS.items() if kind in ("open", "close", "bar")},
        **{char: char for char in "()[]|/⟨⟩⌊⌋⌈⌉‖"},
        "<": "⟨",
        ">": "⟩",
        ".": "",
        r"\uparrow": "↑",
        r"\downarrow": "↓",
    }
)
SIZES = MappingProxyType(
    {f"\\{size}{side}": side for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")}
)
SPACES = MappingProxyType(
    {
        r"\,": 0.167, r"\thinspace": 0.167, r"\:": 0.222, r"\>": 0.222, r"\medspace": 0.222, r"\;": 0.278,
        r"\thickspace": 0.278, r"\!": -0.167, r"\negthinspace": -0.167, r"\enspace": 0.5, r"\quad": 1.0,
        r"\qquad": 2.0, "\\ ": 0.25, "\\\n": 0.25, "~": 0.25, r"\space": 0.25,
    }
)  # fmt: skip
ACCENTS = MappingProxyType(
    {
        r"\hat": "hat", r"\widehat": "hat", r"\tilde": "tilde", r"\widetilde": "tilde", r"\bar": "bar",
        r"\dot": "dot", r"\ddot": "ddot", r"\vec": "vec", r"\check": "check", r"\breve": "breve",
        r"\acute": "acute", r"\grave": "grave",
    }
)  # fmt: skip
TEXTS = (r"\text", r"\textrm", r"\textnormal", r"\mbox")
