"""Keys in a PKCS#11 token: they sign as files do; what is wrong is told with what to do; a session that dies is no end."""

from __future__ import annotations

import shutil
import threading
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from relay.core.errors import Malformed, Unavailable
from relay.core.note import check_ed25519
from relay.setup import tokens
from relay.setup.keys import FileSigner, make_signing_key
from relay.setup.signers import open_signer, parse_key_reference
from relay.setup.tokens import Module
from tests.support.softhsm import SoftHsm

numbers = count(1)


class Made:
    """A token with one key, `record`."""

    def __init__(self, hsm: SoftHsm, folder: Path) -> None:
        self.hsm, self.folder = hsm, folder
        self.token = f"t{next(numbers)}"
        hsm.new_token(self.token)
        self.file = make_signing_key(folder / f"{self.token}.pem")
        hsm.put(self.token, "record", folder / f"{self.token}.pem")

    def open(self, named: str = "object=record", pin: Path | None = None) -> Any:
        return open_signer(parse_key_reference(self.hsm.uri(self.token, named, pin), self.folder))


@pytest.fixture
def made(softhsm: SoftHsm, tmp_path: Path) -> Made:
    return Made(softhsm, tmp_path)


def test_token_signs_as_the_file_does(made: Made) -> None:
    """Ed25519 has one signature for a key and a message."""
    signer = made.open()
    assert signer.public_key == made.file.public_key
    for message in (b"", b"a", bytes(range(256)) * 300):
        signature = signer.sign(message)
        assert signature == made.file.sign(message)
        assert check_ed25519(signer.public_key, signature, message)


def test_many_threads_and_two_tokens_share_a_module(made: Made, softhsm: SoftHsm, tmp_path: Path) -> None:
    other = Made(softhsm, tmp_path / "other")
    signers = [(made.open(), made.file), (other.open(), other.file)]
    wrong: list[bytes] = []

    def sign(number: int) -> None:
        for turn in range(20):
            signer, file = signers[(number + turn) % 2]
            message = b"%d %d" % (number, turn)
            if signer.sign(message) != file.sign(message):
                wrong.append(message)

    threads = [threading.Thread(target=sign, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_id_tells_two_keys_of_one_label_apart(made: Made, tmp_path: Path) -> None:
    second = make_signing_key(tmp_path / "second.pem")
    made.hsm.put(made.token, "record", tmp_path / "second.pem", number=2)
    with pytest.raises(Malformed, match=r"2 private keys match \(ids 01, 02\); add id="):
        made.open()
    assert made.open("object=record;id=%02").public_key == second.public_key
    assert made.open("id=%01").public_key == made.file.public_key


def pem_of(key: Any, path: Path) -> Path:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def test_key_of_another_kind_is_refused(made: Made, tmp_path: Path) -> None:
    made.hsm.put(made.token, "rsa", pem_of(rsa.generate_private_key(65537, 2048), tmp_path / "rsa.pem"), number=8)
    made.hsm.put(made.token, "p256", pem_of(ec.generate_private_key(ec.SECP256R1()), tmp_path / "ec.pem"), number=9)
    for label, kind in (("rsa", "RSA"), ("p256", "EC")):
        with pytest.raises(Malformed, match=f"is a key of type {kind}; must be Ed25519"):
            made.open(f"object={label}")


def test_key_that_can_be_read_out_is_refused(made: Made) -> None:
    from pkcs11 import Attribute, KeyType, ObjectClass

    params = bytes.fromhex("06032b6570")
    made.open()  # the login is for all sessions
    with session_of(made) as session:
        session.create_object({
            Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: KeyType.EC_EDWARDS, Attribute.TOKEN: True,
            Attribute.PRIVATE: True, Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True, Attribute.SIGN: True,
            Attribute.LABEL: "open", Attribute.ID: b"\x05", Attribute.EC_PARAMS: params, Attribute.VALUE: bytes(range(32)),
        })  # fmt: skip
    with pytest.raises(Malformed, match="can be read out of the token"):
        made.open("object=open")


def test_what_is_not_there_is_named(made: Made, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="has no such private key; `pkcs11-tool"):
        made.open("object=grant")
    with pytest.raises(Unavailable, match=r"no token 'nobody' in .*`pkcs11-tool"):
        open_signer(parse_key_reference(made.hsm.uri("nobody", "object=record"), tmp_path))
    for module in ("/nowhere/m.so", str(made.hsm.pin)):
        uri = f"pkcs11:token={made.token};object=record?module-path={module}&pin-source=file:{made.hsm.pin}"
        with pytest.raises(Malformed, match="cannot be used as a PKCS#11 module"):
            open_signer(parse_key_reference(uri, tmp_path))


def session_of(made: Made) -> Any:
    """One more, to change what the token holds."""
    import pkcs11

    return pkcs11.lib(str(made.hsm.module)).get_token(token_label=made.token).open(rw=True)


def test_public_key_that_is_missing_or_of_another_key_is_told(made: Made, tmp_path: Path) -> None:
    from pkcs11 import Attribute, ObjectClass

    signer = made.open()
    with session_of(made) as session:
        (public,) = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: "record"})
        public.destroy()
    with pytest.raises(Malformed, match="0 public keys stand beside the private one"):
        made.open()
    make_signing_key(tmp_path / "other.pem")
    made.hsm.put(made.token, "spare", tmp_path / "other.pem", number=7)
    with session_of(made) as session:
        (spare,) = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: "spare"})
        spare.copy({Attribute.LABEL: "record"})
    with pytest.raises(Malformed, match="do the public and the private object there belong together"):
        made.open()
    assert signer.sign(b"x") == made.file.sign(b"x")


def test_wrong_pin_is_tried_once(made: Made, tmp_path: Path) -> None:
    """A token locks itself after a few: however often it is asked for, one wrong PIN costs one try."""
    wrong = tmp_path / "wrong.pin"
    wrong.write_text("not-the-pin")
    wrong.chmod(0o600)
    for _ in range(20):
        with pytest.raises(Malformed, match="refuses this PIN; correct the file and start again") as refusal:
            made.open(pin=wrong)
        assert "not-the-pin" not in str(refusal.value)
    wrong.write_text(made.hsm.pin.read_text())
    with pytest.raises(Malformed, match="refuses this PIN"):  # remembered, not asked again: a new start reads the file
        made.open(pin=wrong)
    assert made.open().sign(b"x") == made.file.sign(b"x")


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines", b"\xff\xfe\xfd\xfc", b"x" * 300])
def test_pin_file_that_is_none_is_named(made: Made, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.pin"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(Malformed, match=r"bad\.pin.*user PIN"):
        made.open(pin=path)


def test_session_that_died_is_opened_again(made: Made) -> None:
    signer = made.open()
    signer._token._session.close()
    assert signer.sign(b"x") == made.file.sign(b"x")


def test_token_that_is_gone_is_unavailable_until_it_is_back(made: Made, tmp_path: Path) -> None:
    """Taken out while it is in use: no traceback, and no restart when it comes back."""
    import pkcs11

    signer = made.open()
    (place,) = (
        path
        for path in (made.hsm.folder / "tokens").iterdir()
        if made.token.encode() in (path / "token.object").read_bytes()
    )
    shutil.move(place, tmp_path / "away")
    pkcs11.lib(str(made.hsm.module)).reinitialize()  # what a reader does when a card is drawn
    for _ in range(3):
        with pytest.raises(Unavailable, match=f"token .*{made.token}"):
            signer.sign(b"x")
    shutil.move(tmp_path / "away", place)
    assert signer.sign(b"x") == made.file.sign(b"x")


def test_module_that_hangs_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "ANSWER_WITHIN_S", 0.05)
    module, held = Module(Path("/m.so")), threading.Event()
    for _ in range(2):
        with pytest.raises(Unavailable, match="gave no answer"):
            module.run(held.wait)
    held.set()
    monkeypatch.setattr(tokens, "ANSWER_WITHIN_S", 10.0)
    assert module.run(lambda: 7) == 7


def test_file_key_stays_a_file_key(tmp_path: Path) -> None:
    make_signing_key(tmp_path / "a.pem")
    assert isinstance(open_signer(parse_key_reference("file:a.pem", tmp_path)), FileSigner)
