"""Numerals and years as Chinese reports write them."""

from __future__ import annotations

import re


def chinese_number(value: int) -> str:
    """Chinese numeral of 1 to 99 (一, 十, 十一, 二十, 九十九); Arabic from 100 on."""
    digits = "零一二三四五六七八九"
    if value < 1:
        raise ValueError(f"no heading number for {value}")
    if value > 99:
        return str(value)
    tens, ones = divmod(value, 10)
    return ("" if tens < 2 else digits[tens]) + ("十" if tens else "") + (digits[ones] if ones else "")


def school_year_label(value: object) -> str:
    """A school year named by its autumn (``2024``) as a reader knows it (``2024—2025 学年``)."""
    text = str(value)
    return f"{text}—{int(text) + 1} 学年" if re.fullmatch(r"\d{4}", text) else text
