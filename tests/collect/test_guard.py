from tocsin.collect.guard import guarded
from tocsin.errors import ParseError


def guarded_raise(error):
    def fail():
        raise error

    return guarded(fail)


def test_what_works_is_handed_on():
    assert guarded(lambda: "all") == ("all", "")


def test_a_failure_is_one_line_with_the_place():
    result, failure = guarded_raise(ValueError("two\nlines"))
    assert result is None
    assert failure.startswith("ValueError at test_guard.py:")
    assert failure.endswith(": two lines")


def test_an_error_of_our_own_is_its_sentence():
    assert guarded_raise(ParseError("too deep")) == (None, "too deep")


def test_leaving_the_interpreter_is_no_way_out():
    assert guarded_raise(SystemExit(1))[1].startswith("SystemExit")
