"""PKCS#11 modules and the sessions of their tokens.

One thread a module does all its calls: a session is not for two threads at once, and a device that hangs must not hang the role.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from queue import Full, Queue
from typing import Any, Final, TypeVar

from relay.core.errors import Malformed, Unavailable
from relay.private.files import read_private

T = TypeVar("T")

ANSWER_WITHIN_S: Final = 10.0
PIN_BYTES_MAX: Final = 256
JOBS_WAITING_MAX: Final = 256


class Module:
    """One PKCS#11 module, loaded when first needed. Built by `module_of`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        """Rises when all sessions of the module were ended."""
        self._jobs: Queue[tuple[Callable[[], Any], Future[Any]]] = Queue(JOBS_WAITING_MAX)
        threading.Thread(target=self._work, name=f"PKCS#11 {path.name}", daemon=True).start()

    def _work(self) -> None:
        while True:
            job, answer = self._jobs.get()
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(job())
                except BaseException as error:
                    answer.set_exception(error)

    def run(self, job: Callable[[], T]) -> T:
        """Do it in the module's thread. Raises what the job raises, and `Unavailable` when there is no answer."""
        answer: Future[T] = Future()
        try:
            self._jobs.put_nowait((job, answer))
        except Full:
            raise Unavailable(
                f"{self.path.name} gives no answers; {JOBS_WAITING_MAX} jobs are waiting for it"
            ) from None
        try:
            return answer.result(ANSWER_WITHIN_S)
        except TimeoutError:
            answer.cancel()
            raise Unavailable(f"{self.path.name} gave no answer for {ANSWER_WITHIN_S:.0f} s") from None

    def find(self, label: str, serial: str) -> Any:
        """The one token. Raises `Malformed`, `Unavailable`. Only in the module's thread, as all that begins with pkcs11 here."""
        import pkcs11

        try:
            pkcs11.lib(str(self.path))
        except (RuntimeError, OSError) as error:
            raise Malformed(str(self.path), "", f"cannot be used as a PKCS#11 module: {_why(error)}") from None
        found = self._matching(label, serial)
        if not found:  # a token that came after the module was loaded may be seen only when it is loaded again
            self.reload()
            found = self._matching(label, serial)
        if not found:
            named = f"{label!a} with serial {serial}" if serial else f"{label!a}"
            raise Unavailable(f"no token {named} in {self.path}; `pkcs11-tool --list-token-slots` shows what is there")
        if len(found) > 1:
            raise Malformed(
                str(self.path), "token", f"{len(found)} tokens are called {label!a}; add serial=… to the URI"
            )
        return found[0]

    def reload(self) -> None:
        """Begin anew: every session of the module ends. A module may go on showing a token as it was before it was drawn."""
        import pkcs11

        self.generation += 1
        pkcs11.lib(str(self.path)).reinitialize()

    def _matching(self, label: str, serial: str) -> list[Any]:
        import pkcs11

        found = []
        for slot in pkcs11.lib(str(self.path)).get_slots(token_present=True):
            try:
                token = slot.get_token()
            except pkcs11.PKCS11Error:
                continue  # a token that was drawn must not hide the others
            if token.label == label and serial in ("", token.serial.decode("utf-8", "replace").strip()):
                found.append(token)
        return found


class Token:
    """One token and its session, opened when first needed and again after it died. Built by `token_of`."""

    def __init__(self, module: Module, label: str, serial: str, pin: Path) -> None:
        self.label = label
        self._module = module
        self._serial = serial
        self._pin = pin
        self._session: Any = None
        self._generation = 0
        self._refused = ""

    def with_session(self, use: Callable[[Any], T]) -> T:
        """Call with an open session, once more with a new one when the first has died: an Ed25519 signature made twice is one.

        Raises `Unavailable` for a token that is gone or gives no answer, `Malformed` for a PIN that it refused.
        """
        return self._module.run(lambda: self._twice(use))

    def _twice(self, use: Callable[[Any], T]) -> T:
        from pkcs11.exceptions import PKCS11Error

        if self._session is not None and self._generation == self._module.generation:
            try:
                return use(self._session)
            except PKCS11Error:
                self._close()
        try:
            self._session, self._generation = self._open(), self._module.generation
            return use(self._session)
        except PKCS11Error as error:
            self._close()
            self._module.reload()
            raise Unavailable(f"the token {self.label} cannot be used now ({_why(error)}); is it there?") from None

    def _close(self) -> None:
        from pkcs11.exceptions import PKCS11Error

        session, self._session = self._session, None
        try:
            if session is not None:
                session.close()
        except PKCS11Error:
            return  # dead already

    def _open(self) -> Any:
        from pkcs11 import exceptions as failed

        if self._refused:  # a token locks itself after a few wrong PINs: none is tried a second time
            raise Malformed(str(self._pin), "", self._refused)
        token = self._module.find(self.label, self._serial)
        try:
            return token.open(user_pin=read_pin(self._pin))
        except failed.UserAlreadyLoggedIn:
            return token.open()
        except (failed.PinIncorrect, failed.PinInvalid, failed.PinLenRange):
            self._refused = (
                f"the token {self.label} refuses this PIN; correct the file and start again before it locks itself"
            )
        except (failed.PinLocked, failed.PinExpired, failed.UserPinNotInitialized) as error:
            self._refused = f"the PIN of token {self.label} must be set anew by its security officer ({_why(error)})"
        raise Malformed(str(self._pin), "", self._refused)


def _why(error: BaseException) -> str:
    return ": ".join(part for part in (type(error).__name__, str(error)) if part)


def read_pin(path: Path) -> str:
    """A PIN file: the PIN, and at most one newline after it. Raises `Malformed`, never with the PIN in it."""
    try:
        data = read_private(path)
    except Malformed as error:
        reason = f"{error.reason}; it must hold the token's user PIN"
        raise Malformed(error.what, error.field, reason, concern=error.concern) from None
    try:
        pin = data.removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError:
        pin = ""
    if not pin or len(data) > PIN_BYTES_MAX or not pin.isprintable():
        raise Malformed(
            str(path), "", f"must hold the token's user PIN, 1 to {PIN_BYTES_MAX - 1} bytes in one line", concern="key"
        )
    return pin


@lru_cache(maxsize=16)
def module_of(path: Path) -> Module:
    """One module, one thread."""
    return Module(path)


@lru_cache(maxsize=64)
def token_of(module: Path, label: str, serial: str, pin: Path) -> Token:
    """One token, one login: keys of the same token share it."""
    return Token(module_of(module), label, serial, pin)
