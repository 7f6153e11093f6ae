"""Write what pandoc makes of the formulas of our notebooks and papers: MathML, Office mathematics and typst.

Needs pandoc on the path; run as ``python formulas.py > ../data/pandoc-formulas.json``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FORMULAS = {
    "weighted CV": r"CV = \frac{1}{\bar X}\sqrt{\sum_i \frac{P_i}{P}(x_i-\bar X)^2}",
    "decomposed CV": (
        r"CV^2 = \sum_g \frac{P_g}{P}\frac{(\bar X_g-\bar X)^2}{\bar X^2}"
        r" + \sum_g \frac{P_g}{P}\frac{S_g^2}{\bar X^2}"
    ),
    "share between schools": r"D_1=\tau^2/(\tau^2+\sigma^2)",
    "difference rate": r"D_2=\sqrt{\sum_j p_j(\bar x_j-\bar x)^2}\,/\,\bar x",
    "shrinkage": r"\lambda_j=\tau^2/(\tau^2+\sigma^2/n_j)",
    "link model": r"Y_{ij}=\gamma_{00}+\boldsymbol\gamma_T'T_j+\boldsymbol\beta'(X_{ij}-\bar X_j)+u_{0j}+e_{ij}",
    "random intercepts": r"y_{ij} = \beta_0 + \beta_1 x_{ij} + u_j + \varepsilon_{ij},\quad u_j \sim N(0, \sigma_u^2)",
    "intraclass correlation": r"\mathrm{ICC} = \frac{\tau^2}{\tau^2+\sigma^2}",
    "Oster": r"\delta^* = \frac{(\tilde\beta-\beta^*)(\tilde R-\dot R)}{(\dot\beta-\tilde\beta)(R_{\max}-\tilde R)}",
    "limits": r"\sum_{j=1}^{J} n_j(\bar y_j-\bar y)^2 + \int_0^1 f(x)\,\mathrm{d}x + \prod_{i\in I} p_i",
    "cases": r"y = \begin{cases} 1, & x\ge 0.5 \\ 0, & \text{其他}\end{cases}",
    "aligned": (
        r"\begin{aligned} \ln L &= \sum_{i=1}^{n} \ln f(y_i) \\"
        r" \hat\theta &= \operatorname{med}(y) \end{aligned}"
    ),
    "matrix": r"\begin{pmatrix} 1 & 2 \\ 3 & -4 \end{pmatrix}",
    "delimiters": (
        r"\left.\frac{\partial f}{\partial x}\right|_{x=0}"
        r" + \left(\frac{a}{b}\right]^2 + \overline{AB} + \sqrt[3]{x}"
    ),
    "normal equations": (
        r"\hat{\boldsymbol\beta} = (\mathbf{X}'\mathbf{X})^{-1}\mathbf{X}'\mathbf{y},\ \mathbf{y}\in\mathbb{R}"
    ),
    "expectations": r"E(Y\mid T=1)-E(Y\mid T=0) \ne 0 \approx \alpha\times\beta\cdot\gamma \le \infty",
    "limit names": r"\lim_{n\to\infty} \max_i x_i + \min_j y_j",
}


def _pandoc(tex: str, *options: str) -> bytes:
    return subprocess.run(["pandoc", *options], input=f"$${tex}$$\n".encode(), capture_output=True, check=True).stdout


def _omml(tex: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "formula.docx")
        _pandoc(tex, "-o", str(path))
        text = zipfile.ZipFile(path).read("word/document.xml").decode()
    found = re.search(r"<m:oMath>.*?</m:oMath>", text, re.DOTALL)
    return re.sub(r">\s+<", "><", found[0]) if found else ""


def _mathml(tex: str) -> str:
    found = re.search(r"<semantics>(.*?)<annotation", _pandoc(tex, "-t", "html", "--mathml").decode(), re.DOTALL)
    return found[1] if found else ""


def main() -> None:
    version = subprocess.run(["pandoc", "--version"], capture_output=True, check=True, text=True).stdout.splitlines()[0]
    formulas = [
        {
            "name": name,
            "tex": tex,
            "mathml": _mathml(tex),
            "omml": _omml(tex),
            "typst": _pandoc(tex, "-t", "typst").decode().strip().strip("$").strip(),
        }
        for name, tex in FORMULAS.items()
    ]
    json.dump({"source": version, "formulas": formulas}, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
