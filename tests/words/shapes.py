"""The sentences that program text can make: every string and f-string, its values as `{}`. Read from the syntax tree.

A sentence put together by `+`, by `a if b else c` or from a name that the same function or module sets gives one shape for each way.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ERRORS: Final = frozenset({"Unverified", "Malformed", "NotShown", "Unpinned", "Contradicted", "refuse"})
ALTERNATIVES_MAX: Final = 32
DEPTH_MAX: Final = 4
PLACE: Final = "{}"


@dataclass(frozen=True, slots=True)
class Found:
    """One shape and where it stands."""

    shape: str
    where: str


class _Reader(ast.NodeVisitor):
    """`shapes`: what may reach a person; `labels`: first arguments of errors (the step or the document)."""

    def __init__(self, name: str, tree: ast.Module, single: bool) -> None:
        self.name = name
        self.shapes: list[Found] = []
        self.labels: list[Found] = []
        self._scopes: list[dict[str, list[ast.expr]]] = [_assigned(tree)]
        self._quiet = _quiet(tree)
        self._single = single

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scopes.append(_assigned(node))
        self.generic_visit(node)
        self._scopes.pop()

    def visit_Call(self, node: ast.Call) -> None:
        callee = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if callee in ERRORS and node.args:
            *places, reason = node.args[:3]
            self._note(reason, single=True)
            if callee != "refuse" and places:
                self.labels += [self._at(places[0], shape) for shape in self._shapes(places[0]) if shape != PLACE]
        if callee == "same":
            self._note(node.args[1], single=True)
            self.labels += [self._at(node, shape) for shape in self._shapes(node.args[0]) if shape != PLACE]
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr) and id(node) not in self._quiet and self._note(node):
            for inner in ast.walk(node):
                if isinstance(inner, ast.FormattedValue) and not _is_text(inner.value):
                    super().generic_visit(inner)
            return
        super().generic_visit(node)

    def _note(self, node: ast.expr, *, single: bool = False) -> bool:
        """Whether it was a string. Without `single`, one word alone is no sentence."""
        if not _is_text(node):
            return False
        for shape in self._shapes(node):
            if single or self._single or (" " in shape.strip() and any(map(str.isalpha, shape))):
                self.shapes.append(self._at(node, shape))
        return True

    def _at(self, node: ast.expr, shape: str) -> Found:
        return Found(shape, f"{self.name}:{node.lineno}")

    def _shapes(self, node: ast.expr, depth: int = 0) -> list[str]:
        match node:
            case ast.Constant(value=str(value)):
                return [value]
            case ast.JoinedStr(values=values):
                return _product([self._shapes(value, depth) for value in values])
            case ast.FormattedValue(value=value):
                followed = _is_text(value) or isinstance(value, ast.Name | ast.BoolOp)
                return self._shapes(value, depth + 1) if followed else [PLACE]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _product([self._shapes(left, depth), self._shapes(right, depth)])
            case ast.BinOp(left=left, op=ast.Mult()):
                return ["", *self._shapes(left, depth)]
            case ast.IfExp(body=body, orelse=orelse):
                return [*self._shapes(body, depth), *self._shapes(orelse, depth)]
            case ast.BoolOp(op=ast.Or(), values=values):
                return [shape for value in values for shape in self._shapes(value, depth)]
            case ast.Name(id=name) if depth < DEPTH_MAX:
                for scope in reversed(self._scopes):
                    if name in scope:
                        known = [shape for value in scope[name] for shape in self._shapes(value, depth + 1)]
                        return known[:ALTERNATIVES_MAX] or [PLACE]
        return [PLACE]


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, str)
        case ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Add() | ast.Mult(), right=right):
            return _is_text(left) or _is_text(right)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_text(body) or _is_text(orelse)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(map(_is_text, values))
    return False


def _product(parts: list[list[str]]) -> list[str]:
    made = [""]
    for part in parts:
        made = [before + after for before in made for after in part][:ALTERNATIVES_MAX]
    return made


def _assigned(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """Name → the texts that this scope sets it to; a name also set to something else is left out."""
    made: dict[str, list[ast.expr]] = {}
    other: set[str] = set()
    for node in _own(scope):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    (
                        made.setdefault(target.id, []).append(node.value)
                        if _is_text(node.value)
                        else other.add(target.id)
                    )
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            other.add(node.target.id)
    if isinstance(scope, ast.FunctionDef):
        other |= {argument.arg for argument in ast.walk(scope.args) if isinstance(argument, ast.arg)}
    return {**{name: [] for name in other}, **{name: texts for name, texts in made.items() if name not in other}}


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a scope without those of functions inside it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _own(child)


def _quiet(tree: ast.Module) -> set[int]:
    """Texts that are no sentences: docstrings and texts beside attributes, what a mistake of a programmer says, subscripts."""
    quiet: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            quiet.add(id(node.value))
        if isinstance(node, ast.Call):
            callee = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if callee in {"RuntimeError", "AssertionError", "compile"}:
                quiet |= {id(inner) for argument in node.args for inner in ast.walk(argument)}
        if isinstance(node, ast.Subscript):
            quiet |= {id(inner) for inner in ast.walk(node.slice)}
        if isinstance(node, ast.Assert) and node.msg is not None:
            quiet |= {id(inner) for inner in ast.walk(node.msg)}
        if isinstance(node, ast.arg) and node.annotation is not None:
            quiet |= {id(inner) for inner in ast.walk(node.annotation)}
    return quiet


def shapes_of(path: Path, root: Path, *, single: bool = False) -> tuple[list[Found], list[Found]]:
    """The shapes of one file, and the labels its errors begin with. `single`: one word alone counts too."""
    tree = ast.parse(path.read_text("utf-8"))
    reader = _Reader(str(path.relative_to(root)), tree, single)
    reader.visit(tree)
    return reader.shapes, reader.labels


def as_shape(template: str) -> str:
    """A template of the catalogue with its places as `{}`."""
    return "".join(
        literal + (PLACE if field is not None else "") for literal, field, _, _ in string.Formatter().parse(template)
    )
