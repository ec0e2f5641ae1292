"""From text to tree, and what is said of text that is no query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import QuerySyntaxError
from tocsin.model import Matcher, MatchType
from tocsin.promql import format_query, parse, parse_selector
from tocsin.promql.ast import Binary, Boundary, Call, Negation, NumberLiteral, StringLiteral, VectorSelector
from tocsin.promql.functions.table import TABLE


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sum(x", "1:6: parse error: unclosed left parenthesis"),
        ("sum(x))", "1:7: parse error: unexpected right parenthesis ')'"),
        ("x y", '1:3: parse error: unexpected "y"'),
        ("x + ", "1:4: parse error: unexpected end of input"),
        ("x\n+\n)", "3:1: parse error: unexpected right parenthesis ')'"),
        ("foo(x)", "1:1: parse error: unknown function with name 'foo'"),
        (
            "sum(rate(x)) + sum(rate(y[5m]))",
            "1:11: parse error: expected type matrix in call to function 'rate', got vector",
        ),
        ("x{a=1}", "1:5: parse error: unexpected character inside braces: '1'"),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("x @ --3", '1:6: parse error: unexpected "-" in @, expected timestamp'),
        ("x[1e300]", '1:3: parse error: duration out of range: "1e300" s (allowed are up to 1e+10 s)'),
        ("x offset NaN", '1:10: parse error: duration out of range: "NaN" s (allowed are up to 1e+10 s)'),
        ("ln( - 10)", "1:1: parse error: expected type instant vector in call to function 'ln', got scalar"),
        (
            "histogram_count(x)",
            '1:1: parse error: function "histogram_count" needs native histograms, which are not supported',
        ),
        ("", "1:1: parse error: no expression found in input"),
    ],
)
def test_a_refusal_says_where_and_why(query: str, message: str) -> None:
    with pytest.raises(QuerySyntaxError) as error:
        parse(query)
    assert str(error.value) == message


@pytest.mark.parametrize("query", ["limitk(1, x)", "mad_over_time(x[5m])", "x + fill(0) y", "start()"])
def test_experimental_parts_need_their_switch(query: str) -> None:
    with pytest.raises(QuerySyntaxError, match="experimental"):
        parse(query)
    parse(query, enable_experimental=True)


@pytest.mark.parametrize(
    "query", ["(" * 201 + "x" + ")" * 201, "-(" * 150 + "x" + ")" * 150, "1" + "+1" * 1001, "1" + "+1" * 300]
)
def test_what_would_exhaust_the_stack_is_refused(query: str) -> None:
    with pytest.raises(QuerySyntaxError, match=r"at most|nested too deeply"):
        parse(query)


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ("x @ -1.5", -1500),
        ("x @ - 3", -3000),
        ("x @ +3", 3000),
        ("x @ 1m40s", 100_000),
        ("x @ end()", Boundary.END),
    ],
)
def test_fixed_times(query: str, at: int | Boundary) -> None:
    tree = parse(query)
    assert isinstance(tree, VectorSelector)
    assert tree.at == at


def test_each_negative_time_stays_with_its_selector() -> None:
    tree = parse('x{a="@ -9"} @ 1 + y @ start() - z @ -3 # @ -4')
    assert isinstance(tree, Binary)
    assert isinstance(tree.lhs, Binary)
    found = [getattr(side, "at", None) for side in (tree.lhs.lhs, tree.lhs.rhs, tree.rhs)]
    assert found == [1000, Boundary.START, -3000]


def test_offsets_and_escapes() -> None:
    tree = parse(r'x{a="\xc3\xa9\n\u00e9"} offset -5m')
    assert isinstance(tree, VectorSelector)
    assert tree.offset_ms == -300_000
    assert tree.matchers[1] == Matcher("a", MatchType.EQUAL, "é\né")
    assert parse(r"`\xc3`") == StringLiteral("\\xc3")
    assert parse(r'"\xff"') == StringLiteral("\N{REPLACEMENT CHARACTER}")


def test_numbers_and_signs() -> None:
    assert parse("-1") == NumberLiteral(-1.0)
    assert parse("1h30m") == NumberLiteral(5400.0)
    assert parse("-x ^ 2") == Negation(parse("x ^ 2"))


def test_selectors_by_themselves() -> None:
    assert parse_selector('up{job=~"a|b"}') == (Matcher.metric("up"), Matcher("job", MatchType.REGEX, "a|b"))
    for wrong in ("sum(up)", "up offset 5m", "up[5m]", "1"):
        with pytest.raises(QuerySyntaxError):
            parse_selector(wrong)


def test_formatting_keeps_the_meaning() -> None:
    query = "sum by(job)(rate(requests_total{job=~'a.*'}[5m])) / 2"
    assert parse(format_query(query)) == parse(query)
    with pytest.raises(QuerySyntaxError):
        format_query("sum(")


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_table_and_the_parser_agree_on_every_function(name: str) -> None:
    function = TABLE[name]
    examples = {"scalar": "1", "vector": "x", "matrix": "x[5m]", "string": '"a"'}
    call = f"{name}({', '.join(examples[kind] for kind in function.arguments)})"
    if function.needs_native_histograms:
        with pytest.raises(QuerySyntaxError, match="native histograms"):
            parse(call)
        return
    assert isinstance(parse(call, enable_experimental=True), Call)
    with pytest.raises(QuerySyntaxError, match="argument"):
        parse(
            f"{name}({', '.join(['1'] * 20)})" if function.variadic >= 0 else f"{name}()",
            enable_experimental=True,
        )
    assert function.summary.endswith(".")


@given(
    st.text(
        alphabet=st.sampled_from("xyz(){}[]\"'`\\@-+*/%^=<>!~,.:#\n 0159msume by offset ÿ\x00"), max_size=60
    )
)
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        parse(text)
    except QuerySyntaxError as error:
        line, column, _ = str(error).split(":", 2)
        assert int(line) >= 1
        assert int(column) >= 1
