"""Names and numbers of people, shown so that a reader who knows them recognises them and nobody else learns them.

The surname stays and 某 stands for the given name, as the Supreme People's Court's provisions of 2016 on publishing judgments
online (art. 9) say. Of a number at most three characters at its beginning and four at its end stay, and never more than half.
"""

from __future__ import annotations

from typing import Final

_COMPOUND: Final = "欧阳上官司马诸葛夏侯皇甫尉迟公孙慕容令狐长孙宇文司徒端木东方独孤南宫轩辕澹台闻人申屠呼延"
COMPOUND: Final = frozenset(_COMPOUND[place : place + 2] for place in range(0, len(_COMPOUND), 2))
"""Surnames of two characters."""
_HAN: Final = (0x3400, 0x9FFF)


def masked_name(name: str) -> str:
    """`王小明` → `王某某`; `John Smith` → `J*** S***`. Empty stays empty."""
    name = name.strip()
    if name and all(_HAN[0] <= ord(character) <= _HAN[1] for character in name):
        surname = name[:2] if len(name) > 2 and name[:2] in COMPOUND else name[:1]
        return surname + "某" * min(2, max(1, len(name) - len(surname)))
    return " ".join(f"{part[0]}***" for part in name.split())


def masked_number(number: str) -> str:
    """`13812345678` → `138****5678`. One that came masked stays as it is."""
    if "*" in number:
        return number
    half = len(number) // 2
    end = min(4, (half + 1) // 2)
    start = min(3, half - end)
    return number[:start] + "*" * (len(number) - start - end) + number[len(number) - end :]
