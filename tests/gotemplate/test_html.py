from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.gotemplate import BUILTINS, HtmlWriter, SafeHtml, SafeUrl, TemplateError, expand, parse_template

EVIL = "<b> & \"'+"

# Where a value stands, and what becomes of EVIL there in Go.
PLACES = {
    "<p>{{ . }}</p>": "<p>&lt;b&gt; &amp; &#34;&#39;&#43;</p>",
    '<p title="{{ . }}">': '<p title="&lt;b&gt; &amp; &#34;&#39;&#43;">',
    "<p title='{{ . }}'>": "<p title='&lt;b&gt; &amp; &#34;&#39;&#43;'>",
    "<p title={{ . }}>": "<p title=&lt;b&gt;&#32;&amp;&#32;&#34;&#39;&#43;>",
    '<a href="http://x/{{ . }}">': '<a href="http://x/%3Cb%3E%20&amp;%20%22%27&#43;">',
    '<a href="/x?q={{ . }}">': '<a href="/x?q=%3Cb%3E%20%26%20%22%27%2B">',
    '<p style="color: {{ . }}">': '<p style="color: ZgotmplZ">',
    "<title>{{ . }}</title>": "<title>&lt;b&gt; &amp; &#34;&#39;&#43;</title>",
    "<!-- {{ . }} -->x": "x",
    "a<!-- b -->c<!-- d": "ac",
    "1 < 2 {{ . }}": "1 < 2 &lt;b&gt; &amp; &#34;&#39;&#43;",
}


def html(text, value=EVIL):
    return expand(parse_template(text, BUILTINS, name="t"), value, BUILTINS, writer=HtmlWriter())


@pytest.mark.parametrize(("text", "expected"), PLACES.items())
def test_a_value_cannot_leave_its_place(text, expected):
    assert html(text) == expected


def test_what_is_marked_is_left():
    assert html("{{ . }}", SafeHtml("<b>&amp;</b>")) == "<b>&amp;</b>"
    assert html('<p title="{{ . }}">', SafeHtml("<b>&amp;</b>")) == '<p title="&amp;">'
    assert html('<a href="{{ . }}">', SafeUrl("slack://x?a=b c")) == '<a href="slack://x?a=b%20c">'
    assert html('<a href="/?q={{ . | urlquery }}">', "a b&") == '<a href="/?q=a+b%26">'.replace("+", "&#43;")
    assert html("{{ . | html }}", "<") == "&lt;"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "JavaScript:x", "data:text/html,x", "vbscript:x"])
def test_an_address_that_runs_something_is_not_written(url):
    assert html('<a href="{{ . }}">', url) == '<a href="#ZgotmplZ">'


@pytest.mark.parametrize("url", ["http://x/y?z=1", "https://x", "mailto:a@b", "/path", "a/b:c", "x"])
def test_other_addresses_are(url):
    assert html('<a href="{{ . }}">', url) == f'<a href="{url}">'.replace("&", "&amp;")


@pytest.mark.parametrize("text", ["<script>var x = {{ . }}</script>", '<p onclick="f({{ . }})">'])
def test_scripts_are_refused(text):
    with pytest.raises(TemplateError, match="t, line 1: a value stands in"):
        html(text)


def test_what_follows_a_script_is_text_again():
    assert html("<script>if (a < b) {}</script>{{ . }}", "<") == "<script>if (a < b) {}</script>&lt;"


def test_attributes_that_come_and_go():
    text = '{{ range . }}<td{{ if eq . "b" }} class="{{ . }}"{{ end }}>{{ . }}</td>{{ end }}'
    assert html(text, ["a", "b", "<"]) == '<td>a</td><td class="b">b</td><td>&lt;</td>'


def test_nothing_is_no_text():
    assert html("<p>{{ . }}</p>", None) == "<p></p>"


class Reader(HTMLParser):
    """The standard library's reading of HTML, which knows nothing of ours."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


@given(st.text(alphabet=st.characters(blacklist_characters="\0\r", blacklist_categories=["Cs"])))
def test_a_browser_reads_back_the_value_and_no_tag_of_it(value):
    written = html('<p title="{{ . }}">{{ . }}</p>', value)
    reader = Reader()
    reader.feed(written)
    reader.close()
    assert reader.tags == [("p", {"title": value})]
    assert "".join(reader.texts) == value


@given(st.text(alphabet="<>\"'=ab /!-x", max_size=40), st.text(max_size=10))
def test_any_html_around_is_written_or_refused(text, value):
    try:
        written = html(text + "{{ . }}" + text, value)
    except TemplateError:
        return
    assert isinstance(written, str)
