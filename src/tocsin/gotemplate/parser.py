"""Reads the tokens of a template as a syntax tree (Go's text/template/parse)."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tocsin.gotemplate.errors import TemplateError
from tocsin.gotemplate.lexer import Kind, LexicalError, Token, tokenize
from tocsin.gotemplate.nodes import (
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

_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "nil": None}
_BLOCK_ENDS: Final = ("end", "else")
_KEYWORDS: Final = ("if", "with", "range", "template", "define", "block", "break", "continue")


@dataclass(frozen=True, slots=True)
class Template:
    """A template, and the ones that it defines by name."""

    nodes: tuple[Node, ...]
    defined: dict[str, tuple[Node, ...]]


def parse_template(
    text: str, functions: Collection[str], variables: Collection[str] = (), *, name: str = ""
) -> Template:
    """Read a template that may use some functions, and variables (with their ``$``) that exist beforehand.

    Raises TemplateError when it is malformed or uses other ones. Errors name the line when the template
    has a ``name``.
    """
    try:
        parser = _Parser(text, functions, variables, name)
    except LexicalError as error:
        raise TemplateError(str(error), place=_place(name, text, error.position)) from None
    try:
        return parser.template()
    except TemplateError as error:
        raise TemplateError(error.message, place=error.place or parser.place()) from None
    except RecursionError:
        raise TemplateError("it is nested too deeply", place=parser.place()) from None


def _place(name: str, text: str, position: int) -> str:
    return f"{name}, line {text.count(chr(10), 0, position) + 1}" if name else ""


class _Parser:
    def __init__(self, text: str, functions: Collection[str], variables: Collection[str], name: str) -> None:
        self._text = text
        self._name = name
        self._tokens = list(tokenize(text))
        self._position = 0
        self._functions = functions
        self._variables = ["$", *variables]
        self._loops = 0
        self._defined: dict[str, tuple[Node, ...]] = {}

    def place(self) -> str:
        """Where the last token that was looked at stands."""
        seen = self._tokens[max(0, min(self._position, len(self._tokens)) - 1) :]
        return _place(self._name, self._text, seen[0].position if seen else 0)

    def template(self) -> Template:
        nodes, end = self._nodes()
        if end is not None:
            raise TemplateError(f"unexpected {{{{{end}}}}}")
        return Template(nodes, self._defined)

    # Tokens.

    def _peek(self) -> Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _next(self) -> Token:
        token = self._peek()
        if token is None:
            raise TemplateError("the template ends within a block: an {{end}} is missing")
        self._position += 1
        return token

    def _accept(self, kind: Kind, *texts: str) -> Token | None:
        token = self._peek()
        if token is None or token.kind is not kind or (texts and token.text not in texts):
            return None
        return self._next()

    def _expect(self, kind: Kind, *texts: str) -> Token:
        if (token := self._accept(kind, *texts)) is not None:
            return token
        found = self._peek()
        raise TemplateError(f'expected {" or ".join(texts) or kind.name.lower()}, found "{_shown(found)}"')

    # Blocks.

    def _nodes(self) -> tuple[tuple[Node, ...], str | None]:
        """Nodes up to the end of the text or of a block; says which word ended them."""
        nodes: list[Node] = []
        while (token := self._peek()) is not None:
            self._next()
            if token.kind is Kind.TEXT:
                nodes.append(Text(token.text))
            elif end := self._accept(Kind.WORD, *_BLOCK_ENDS):
                return tuple(nodes), end.text
            elif (node := self._action()) is not None:
                nodes.append(node)
        return tuple(nodes), None

    def _action(self) -> Node | None:
        place = self.place()
        word = self._accept(Kind.WORD, *_KEYWORDS)
        match word.text if word else "":
            case "if":
                return If(*self._block(), place)
            case "with":
                return With(*self._block(), place)
            case "range":
                return Range(*self._block(is_range=True), place)
            case "template":
                return self._call(place)
            case "define":
                self._define()
                return None
            case "block":
                return self._block_template(place)
            case "break" | "continue" as name:
                return self._loop_jump(name)
        pipeline = self._pipeline()
        self._expect(Kind.CLOSE)
        return Action(pipeline, place)

    def _block(self, *, is_range: bool = False) -> tuple[Pipeline, tuple[Node, ...], tuple[Node, ...]]:
        with self._scope():
            pipeline = self._pipeline(is_range=is_range)
            self._expect(Kind.CLOSE)
            self._loops += is_range
            then, end = self._nodes()
            self._loops -= is_range
            otherwise = self._otherwise() if end == "else" else self._end(end)
        return pipeline, then, otherwise

    def _otherwise(self) -> tuple[Node, ...]:
        if word := self._accept(Kind.WORD, "if", "with"):
            place = self.place()
            return ((If if word.text == "if" else With)(*self._block(), place),)
        self._expect(Kind.CLOSE)
        nodes, end = self._nodes()
        self._end(end)
        return nodes

    def _end(self, end: str | None) -> tuple[()]:
        if end != "end":
            raise TemplateError("an {{end}} is missing" if end is None else "unexpected {{else}}")
        self._expect(Kind.CLOSE)
        return ()

    def _loop_jump(self, name: str) -> Node:
        if not self._loops:
            raise TemplateError(f"{{{{{name}}}}} outside {{{{range}}}}")
        self._expect(Kind.CLOSE)
        return Break() if name == "break" else Continue()

    def _call(self, place: str) -> Call:
        name = _unquote(self._expect(Kind.STRING))
        argument = None if self._accept(Kind.CLOSE) else self._pipeline()
        if argument is not None:
            self._expect(Kind.CLOSE)
        return Call(name, argument, place)

    def _define(self) -> None:
        name = _unquote(self._expect(Kind.STRING))
        self._expect(Kind.CLOSE)
        self._defined[name] = self._body()

    def _block_template(self, place: str) -> Call:
        name = _unquote(self._expect(Kind.STRING))
        argument = self._pipeline()
        self._expect(Kind.CLOSE)
        self._defined[name] = self._body()
        return Call(name, argument, place)

    def _body(self) -> tuple[Node, ...]:
        outer, loops = self._variables, self._loops
        self._variables, self._loops = ["$"], 0
        nodes, end = self._nodes()
        self._end(end)
        self._variables, self._loops = outer, loops
        return nodes

    @contextmanager
    def _scope(self) -> Iterator[None]:
        depth = len(self._variables)
        yield
        del self._variables[depth:]

    # Pipelines.

    def _pipeline(self, *, is_range: bool = False) -> Pipeline:
        variables, is_assignment = self._declaration(is_range=is_range)
        commands = [self._command()]
        while self._accept(Kind.SIGN, "|"):
            commands.append(self._command())
        if any(isinstance(command[0], Literal) for command in commands[1:]):
            raise TemplateError("only a function or a field can follow a |")
        if not is_assignment:
            self._variables.extend(variables)
        return Pipeline(tuple(commands), variables, is_assignment)

    def _declaration(self, *, is_range: bool) -> tuple[tuple[str, ...], bool]:
        start, names = self._position, []
        while (token := self._accept(Kind.VARIABLE)) is not None:
            names.append(token.text)
            if sign := self._accept(Kind.SIGN, ":=", "="):
                for name in names if sign.text == "=" else ():
                    self._check_variable(name)
                return tuple(names), sign.text == "="
            if not (is_range and len(names) == 1 and self._accept(Kind.SIGN, ",")):
                break
        self._position = start
        return (), False

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while not self._ends_command():
            if operands and not self._is_spaced():
                raise TemplateError(f'unexpected "{_shown(self._peek())}" after an operand')
            operands.append(self._operand())
        if not operands:
            raise TemplateError("a value is missing")
        return tuple(operands)

    def _ends_command(self) -> bool:
        token = self._peek()
        return token is None or token.kind is Kind.CLOSE or (token.kind is Kind.SIGN and token.text in "|)")

    def _is_spaced(self) -> bool:
        token = self._peek()
        return token is not None and token.is_spaced

    def _operand(self) -> Operand:
        token = self._next()
        match token.kind:
            case Kind.STRING | Kind.RAW_STRING | Kind.CHARACTER | Kind.NUMBER:
                return Literal(_constant(token))
            case Kind.VARIABLE:
                self._check_variable(token.text)
                return Variable(token.text, self._fields())
            case Kind.DOT:
                return Dot()
            case Kind.FIELD:
                return Dot((token.text[1:], *self._fields()))
            case Kind.WORD:
                return self._word(token.text)
        if token.text == "(":
            pipeline = self._pipeline()
            self._expect(Kind.SIGN, ")")
            return Group(pipeline, self._fields())
        raise TemplateError(f'unexpected "{token.text}"')

    def _word(self, name: str) -> Operand:
        if name in _CONSTANTS:
            return Literal(_CONSTANTS[name])
        if name not in self._functions:
            raise TemplateError(f'function "{name}" is not defined')
        return Function(name)

    def _fields(self) -> tuple[str, ...]:
        fields: list[str] = []
        while (token := self._peek()) is not None and token.kind is Kind.FIELD and not token.is_spaced:
            fields.append(self._next().text[1:])
        return tuple(fields)

    def _check_variable(self, name: str) -> None:
        if name not in self._variables:
            raise TemplateError(f"undefined variable {name}")


def _shown(token: Token | None) -> str:
    return token.text if token else "the end"


def _unquote(token: Token) -> str:
    # The escapes of Go are all known to Python too.
    try:
        return str(ast.literal_eval(token.text))
    except (SyntaxError, ValueError) as error:
        raise TemplateError(f"not a string: {token.text}") from error


def _constant(token: Token) -> str | int | float:
    if token.kind is Kind.RAW_STRING:
        return token.text[1:-1]
    if token.kind is Kind.STRING:
        return _unquote(token)
    if token.kind is Kind.CHARACTER:
        return ord(_unquote(token))
    try:
        is_integer = not any(sign in token.text for sign in ".eEpP") or token.text.lower().startswith("0x")
        return int(token.text, 0) if is_integer else float(token.text)
    except ValueError as error:
        raise TemplateError(f"not a number: {token.text}") from error
