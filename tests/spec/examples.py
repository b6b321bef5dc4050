"""The worked examples of docs/spec, made by the code from fixed keys: a name for each, and the text that must stand there.

HPKE draws randomness of its own, so what was sealed cannot be made twice: those examples are read from the documents
(`RECORDED`) and opened instead; see `test_spec_examples`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from relay.core.base64strict import b64encode
from relay.core.jose import thumbprint
from tests.spec.access import completeness, custody, deposit, grants, retrieval, trust
from tests.spec.actors import KEYS
from tests.spec.erasing import erasing
from tests.spec.evidence import ledger, notes, records, tlog, tree
from tests.spec.projecting import projecting
from tests.spec.reporting import reporting
from tests.spec.stating import stating

RECORDED: Final = ("request-token", "sealed-header", "sealed-chunk")
"""Examples that hold HPKE ciphertext."""


def keys() -> str:
    """The table of keys in README.md."""
    rows = [f"{'key':<8}  {'seed (hex)':<64}  {'public key (base64)':<44}  kid"]
    rows += [f"{n:<8}  {k.seed.hex()}  {b64encode(k.public)}  {thumbprint(k.public)}" for n, k in KEYS.items()]
    return "\n".join(rows)


def examples(recorded: Mapping[str, str]) -> dict[str, str]:
    """Every example that can be computed, by name; `recorded` are the sealed ones as the documents have them."""
    made = {"keys": keys(), "trust-roots": trust().to_json().decode()}
    for part in (
        records(),
        tree(),
        notes(),
        ledger(),
        tlog(),
        grants(),
        retrieval(recorded),
        completeness(),
        custody(),
        deposit(),
        erasing(),
        projecting(),
        stating(),
        reporting(),
    ):
        made |= part
    return made
