"""Every error that tocsin raises on purpose.

::

    TocsinError
    ├── ConfigError         a configuration or rule file is wrong (file, line, key)
    ├── StorageError        the store cannot be opened, read or written
    │   ├── SamplesRefusedError some samples of a batch are refused for good, all others are stored
    │   │   └── SeriesLimitError    it holds as many series as it may; samples of others are refused
    │   ├── UnreachableError    an engine elsewhere takes nothing now, but may later (in storage/remote/)
    │   └── RefusedError        an engine elsewhere will never take these samples (in storage/remote/)
    ├── ParseError          samples in a text or binary format are malformed (line)
    │   ├── SizeLimitError      a body is larger than allowed
    │   ├── LineError           a line of StatsD is refused (in receive/statsd/)
    │   └── MessageError        a message is not as Alertmanager's API describes it (in web/)
    ├── ScrapeError         a target could not be scraped (in scrape/)
    ├── QueryError          a PromQL query cannot be answered
    │   ├── QuerySyntaxError    it is not PromQL (position)
    │   ├── QueryLimitError     it is larger or slower than the limits allow
    │   ├── NotQuickError       it cannot be answered at once, as was asked
    │   └── QueryCancelledError it was given up by whoever asked
    ├── RuleError           a rule cannot be evaluated (in rules/)
    ├── TemplateError       a template cannot be read or expanded (in gotemplate/)
    │   └── LexicalError        it cannot be cut into tokens
    ├── DeliveryError       a channel did not take a notification (in alerts/)
    │   └── RefusalError        its server answered, and refused it (in notify/)
    └── UsageError          a command was called in a way that cannot work

Each message is one sentence: what happened, the value, where, what is allowed.
"""

from __future__ import annotations


class TocsinError(Exception):
    """The root: anything below it is reported as one sentence, never as a traceback."""


class ConfigError(TocsinError):
    """A configuration or rule file is wrong.

    ``file`` and ``line`` (1-based) say where, when they are known.
    """

    def __init__(self, message: str, *, file: str = "", line: int | None = None) -> None:
        self.message = message
        self.file = file
        self.line = line
        place = f"{file}:{line}" if file and line is not None else file
        super().__init__(f"{place}: {message}" if place else message)


class StorageError(TocsinError):
    """The store cannot be opened, read or written."""


class SamplesRefusedError(StorageError):
    """Some samples of a batch are refused, now and whenever they are sent again; all others are stored."""


class SeriesLimitError(SamplesRefusedError):
    """The store holds as many series as it may; samples of new ones are refused, all others are stored."""


class ParseError(TocsinError):
    """Samples in a text or binary format are malformed; ``line`` is 1-based."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        self.message = message
        self.line = line
        super().__init__(f"line {line}: {message}" if line is not None else message)


class SizeLimitError(ParseError):
    """A body is larger than allowed."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body is larger than the limit of {limit_bytes} bytes")


class QueryError(TocsinError):
    """A PromQL query cannot be answered."""


class QuerySyntaxError(QueryError):
    """A query is not PromQL."""


class QueryLimitError(QueryError):
    """A query is larger or slower than the limits allow."""


class NotQuickError(QueryError):
    """A query that was to be answered at once would keep others waiting; nothing is wrong with it."""


class QueryCancelledError(QueryError):
    """A query was given up by whoever asked."""


class UsageError(TocsinError):
    """A command was called in a way that cannot work."""
