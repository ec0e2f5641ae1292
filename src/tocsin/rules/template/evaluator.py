"""Expands a template's syntax tree (Go's text/template/exec)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.rules.errors import TemplateError
from tocsin.rules.template.nodes import (
    Action,
    Break,
    Call,
    Continue,
    Dot,
    Function,
    Group,
    If,
    Literal,
    Node,
    Operand,
    Pipeline,
    Range,
    Text,
    Variable,
    With,
)
from tocsin.rules.template.parser import Template
from tocsin.rules.template.signature import Signature
from tocsin.rules.template.values import Record, Value, display, is_true, type_name

SHORT_CIRCUITS: Final = frozenset({"and", "or"})
"""Functions that look at their arguments one by one, and so are part of the evaluator."""

_MAX_DEPTH: Final = 100


class _LoopEndError(Exception):
    """A ``break`` or ``continue`` on its way to its loop."""

    def __init__(self, *, goes_on: bool) -> None:
        self.goes_on = goes_on


def expand(
    template: Template,
    dot: Value,
    functions: Mapping[str, Signature],
    variables: Mapping[str, Value] | None = None,
) -> str:
    """Fill a template in; raises TemplateError when a value does not allow what the template does with it."""
    scope = [("$", dot), *(variables or {}).items()]
    evaluator = _Evaluator(template, functions)
    evaluator.walk(template.nodes, dot, _Scope(scope))
    return "".join(evaluator.output)


@dataclass(slots=True)
class _Scope:
    """Variables, the innermost last."""

    variables: list[tuple[str, Value]]

    def get(self, name: str) -> Value:
        return next(value for known, value in reversed(self.variables) if known == name)

    def declare(self, name: str, value: Value) -> None:
        self.variables.append((name, value))

    def assign(self, name: str, value: Value) -> None:
        index = max(index for index, (known, _) in enumerate(self.variables) if known == name)
        self.variables[index] = (name, value)


class _Evaluator:
    def __init__(self, template: Template, functions: Mapping[str, Signature]) -> None:
        self.output: list[str] = []
        self._defined = template.defined
        self._functions = functions
        self._depth = 0

    # Nodes.

    def walk(self, nodes: Sequence[Node], dot: Value, scope: _Scope) -> None:
        """Write what some nodes stand for; variables that they declare end with them."""
        outer = len(scope.variables)
        for node in nodes:
            self._node(node, dot, scope)
        del scope.variables[outer:]

    def _node(self, node: Node, dot: Value, scope: _Scope) -> None:
        match node:
            case Text():
                self.output.append(node.text)
            case Action():
                value = self._pipeline(node.pipeline, dot, scope)
                if not node.pipeline.variables:
                    self.output.append("<no value>" if value is None else display(value))
            case If() | With():
                self._branch(node, dot, scope)
            case Range():
                self._range(node, dot, scope)
            case Call():
                self._call(node, dot, scope)
            case Break() | Continue():
                raise _LoopEndError(goes_on=isinstance(node, Continue))

    def _branch(self, node: If | With, dot: Value, scope: _Scope) -> None:
        outer = len(scope.variables)
        value = self._pipeline(node.condition if isinstance(node, If) else node.value, dot, scope)
        if is_true(value):
            self.walk(node.then, value if isinstance(node, With) else dot, scope)
        else:
            self.walk(node.otherwise, dot, scope)
        del scope.variables[outer:]

    def _range(self, node: Range, dot: Value, scope: _Scope) -> None:
        values = self._commands(node.values, dot, scope)
        outer, is_empty = len(scope.variables), True
        for key, element in _elements(values):
            is_empty = False
            self._bind_element(node.values, key, element, scope)
            try:
                self.walk(node.body, element, scope)
            except _LoopEndError as jump:
                if not jump.goes_on:
                    break
            finally:
                del scope.variables[outer:]
        if is_empty:
            self.walk(node.otherwise, dot, scope)

    def _bind_element(self, pipeline: Pipeline, key: Value, element: Value, scope: _Scope) -> None:
        pair = (key, element) if len(pipeline.variables) == 2 else (element,)
        for name, value in zip(pipeline.variables, pair, strict=False):
            (scope.assign if pipeline.is_assignment else scope.declare)(name, value)

    def _call(self, node: Call, dot: Value, scope: _Scope) -> None:
        nodes = self._defined.get(node.name)
        if nodes is None:
            raise TemplateError(f'template "{node.name}" is not defined')
        if self._depth == _MAX_DEPTH:
            raise TemplateError(f"templates call each other more than {_MAX_DEPTH} deep")
        argument = self._pipeline(node.argument, dot, scope) if node.argument else None
        self._depth += 1
        self.walk(nodes, argument, _Scope([("$", argument)]))
        self._depth -= 1

    # Values.

    def _pipeline(self, pipeline: Pipeline, dot: Value, scope: _Scope) -> Value:
        value = self._commands(pipeline, dot, scope)
        for name in pipeline.variables:
            (scope.assign if pipeline.is_assignment else scope.declare)(name, value)
        return value

    def _commands(self, pipeline: Pipeline, dot: Value, scope: _Scope) -> Value:
        piped: list[Value] = []
        for command in pipeline.commands:
            piped = [self._command(command, piped, dot, scope)]
        return piped[0]

    def _command(self, command: Sequence[Operand], piped: list[Value], dot: Value, scope: _Scope) -> Value:
        first, *rest = command
        if isinstance(first, Function):
            return self._function(first.name, rest, piped, dot, scope)
        value = self._operand(first, dot, scope)
        if callable(value):
            return value(*(self._operand(operand, dot, scope) for operand in rest), *piped)
        if rest or piped:
            raise TemplateError(f"can't give argument to non-function {display(value)}")
        if isinstance(first, Literal) and first.value is None:
            raise TemplateError("nil is not a command")
        return value

    def _function(
        self, name: str, operands: Sequence[Operand], piped: list[Value], dot: Value, scope: _Scope
    ) -> Value:
        if name in SHORT_CIRCUITS:
            return self._first_decisive(operands, piped, dot, scope, decisive=name == "or")
        arguments = [self._operand(operand, dot, scope) for operand in operands]
        return self._functions[name].call(name, *arguments, *piped)

    def _first_decisive(
        self, operands: Sequence[Operand], piped: list[Value], dot: Value, scope: _Scope, *, decisive: bool
    ) -> Value:
        """``and`` and ``or``: later operands are looked at only while the earlier ones leave it open."""
        if not operands and not piped:
            raise TemplateError("wrong number of args for and or or: want at least 1 got 0")
        value: Value = None
        for operand in operands:
            value = self._operand(operand, dot, scope)
            if is_true(value) is decisive:
                return value
        return piped[0] if piped else value

    def _operand(self, operand: Operand, dot: Value, scope: _Scope) -> Value:
        match operand:
            case Literal():
                return operand.value
            case Dot():
                return _fields(dot, operand.fields)
            case Variable():
                return _fields(scope.get(operand.name), operand.fields)
            case Function():
                return self._function(operand.name, (), [], dot, scope)
            case Group():
                return _fields(self._pipeline(operand.pipeline, dot, scope), operand.fields)


def _fields(value: Value, names: Sequence[str]) -> Value:
    for name in names:
        if isinstance(value, Mapping):
            value = value.get(name, "")
        elif isinstance(value, Record) and name in value.fields:
            value = value.fields[name]
        else:
            raise TemplateError(f"can't evaluate field {name} in type {type_name(value)}")
    return value


def _elements(values: Value) -> Iterator[tuple[Value, Value]]:
    match values:
        case None | str() | bool() | float() | Record():
            if values is not None:
                raise TemplateError(f"range can't iterate over {display(values)}")
        case int():
            yield from ((index, index) for index in range(values))
        case Mapping():
            yield from ((name, values[name]) for name in sorted(values))
        case Sequence():
            yield from enumerate(values)
