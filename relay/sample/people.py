"""Invented people: names, identity and telephone numbers of ranges that are given to nobody, masked accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relay.sample.dice import Dice

SURNAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗"
GIVEN: Final = (
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "艳",
    "勇",
    "杰",
    "娟",
    "涛",
    "明",
    "超",
    "秀兰",
    "霞",
    "平",
)
STREETS: Final = ("人民路", "解放街", "建设大道", "中山北路", "文化巷", "新华街", "长江路", "和平里")
CITIES: Final = ("云州市", "临海市", "北原市", "南桥市")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
NO_AREA: Final = "990101"
"""No administrative division has this code, so the numbers belong to nobody."""
NO_MOBILE: Final = "12"
"""Mobile numbers in China begin with 13 to 19."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who does not exist."""

    name: str
    id_number: str
    phone: str
    address: str
    account: str

    @property
    def masked_id(self) -> str:
        """First three and last four digits."""
        return f"{self.id_number[:3]}***********{self.id_number[-4:]}"

    @property
    def masked_phone(self) -> str:
        """First three and last four digits."""
        return f"{self.phone[:3]}****{self.phone[-4:]}"


def id_number(birthday: str, serial: int) -> str:
    """An 18-digit number with its check digit (GB 11643-1999, ISO 7064 MOD 11-2)."""
    digits = f"{NO_AREA}{birthday}{serial:03d}"
    total = sum(int(d) * w for d, w in zip(digits, _WEIGHTS, strict=True))
    return digits + _CHECK[total % 11]


def person(dice: Dice) -> Person:
    """One person."""
    birthday = f"{dice.between(1965, 2001)}{dice.between(1, 12):02d}{dice.between(1, 28):02d}"
    return Person(
        name=dice.one(SURNAMES) + dice.one(GIVEN),
        id_number=id_number(birthday, dice.below(1000)),
        phone=f"{NO_MOBILE}{dice.below(10**9):09d}",
        address=f"{dice.one(CITIES)}{dice.one(STREETS)}{dice.between(1, 300)}号{dice.between(1, 30)}室",
        account=f"6222 **** **** {dice.below(10_000):04d}",
    )
