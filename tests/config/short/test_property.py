"""Whatever short forms say, what they mean passes the checks of what people write."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.short import load
from tocsin.alerts import build_route
from tocsin.config.alertmanager import AlertmanagerConfig
from tocsin.config.escalation import check_escalations
from tocsin.config.short import LEVELS, level_of
from tocsin.rules import compile_rules

TEXT = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="$"), min_size=1, max_size=12)
NAMES = TEXT.filter(lambda name: not set("/:") & set(name) and name.strip() and name != "nobody")
URLS = st.sampled_from(["http://127.0.0.1:9/", "https://x.webhook.office.com/a", "https://example.com/a?b=c"])
RATIOS = st.floats(0, 1)
DURATIONS = st.sampled_from(["0", "5", "1.5", "90s", "2m", "1h30m"])
POSITIVE_DURATIONS = DURATIONS.filter(lambda text: text != "0")
CONDITIONS = st.sampled_from(
    ["memory_usage > 0.9", "up == 0", "vector(1)", 'absent(up{job="a"})', "sum by (a) (rate(b[5m])) > 1e3"]
)


def channel(kind, **keys):
    return st.fixed_dictionaries({"type": st.just(kind), **keys}, optional={"send_resolved": st.booleans()})


CHANNELS = st.one_of(
    channel("slack", webhook_url=URLS, channel=TEXT),
    channel(
        "email",
        smtp_server=st.sampled_from(["mail", "::1"]),
        smtp_port=st.integers(1, 65535),
        from_address=TEXT,
        to_addresses=st.lists(TEXT, min_size=1, max_size=2),
        use_tls=st.booleans(),
    ),
    channel("webhook", url=URLS),
    channel("pagerduty", routing_key=TEXT),
    channel("pagerduty", integration_key=TEXT),
    channel("teams", webhook_url=URLS),
    channel("discord", webhook_url=URLS),
    channel("telegram", bot_token=TEXT, chat_id=st.integers(-(10**12), -1)),
    channel("opsgenie", api_key=TEXT),
    channel("apprise", url=TEXT),
)


def optional(**keys):
    return st.fixed_dictionaries({}, optional=keys)


MONITORING = optional(
    enabled=st.booleans(),
    update_frequency=POSITIVE_DURATIONS,
    thresholds=optional(
        memory=st.one_of(
            optional(warning=RATIOS),
            optional(critical=RATIOS),
            st.just({"warning": 0.5, "critical": 0.75}),
        ),
        gpu=optional(utilization_min=RATIOS, memory_max=RATIOS),
        training=optional(
            loss_plateau_patience=st.integers(1, 10**6),
            validation_loss_max=st.floats(allow_nan=False, allow_infinity=False),
            learning_rate_min=st.floats(0, exclude_min=True, allow_infinity=False),
        ),
        inference=optional(
            latency_max=st.floats(0, exclude_min=True, allow_infinity=False),
            timeout=st.floats(0, exclude_min=True, allow_infinity=False),
            batch_queue_max=st.integers(0, 10**9),
        ),
    ),
)


@st.composite
def alerts(draw):
    channels = draw(st.dictionaries(NAMES, CHANNELS, max_size=4))
    some = st.lists(st.sampled_from(sorted(channels)), unique=True) if channels else st.just([])
    rules = st.dictionaries(
        TEXT,
        st.fixed_dictionaries(
            {"condition": CONDITIONS},
            optional={
                "severity": st.sampled_from([*LEVELS, "warning"]),
                "channels": some,
                "for": DURATIONS,
                "message": st.sampled_from(["full", "{{ $labels.instance }} is at {{ $value }}"]),
            },
        ),
        max_size=4,
    )
    levels = st.dictionaries(
        st.sampled_from(LEVELS),
        optional(
            response_time=POSITIVE_DURATIONS,
            channels=some,
            escalation=st.sampled_from(["automatic", "manual", "none"]),
            message_template=st.just("{{ .Status }}"),
        ),
    )
    return {"channels": channels, "rules": draw(rules), "levels": draw(levels)}


BESIDE = {
    "route": {"receiver": "a receiver of its own", "routes": [{"matchers": ["a=b"], "continue": True}]},
    "receivers": [{"name": "a receiver of its own"}],
}


@settings(max_examples=40)
@given(MONITORING, alerts(), st.booleans())
def test_short_forms_compile_to_what_passes_the_ordinary_checks(
    tmp_path_factory, monitoring, short, is_beside
):
    content = {"monitoring": monitoring, "alerts": short}
    if is_beside:
        content["alertmanager"] = BESIDE
    loaded = load(tmp_path_factory.mktemp("short"), json.dumps(content, ensure_ascii=False))
    compiled = {each.config.name: each for each in compile_rules(loaded.short_rules)}
    for group in compiled.values():
        assert group.rules()
    rules = compiled["alerts"].rules() if short["rules"] else []
    assert [rule.name for rule in rules] == list(short["rules"])
    config = loaded.alertmanager
    if not short["channels"]:
        assert (config is None) is not is_beside
        return
    checked = AlertmanagerConfig(
        receivers=config.receivers, route=config.route, inhibit_rules=config.inhibit_rules
    )
    assert checked == config or is_beside
    check_escalations(loaded.escalations, loaded.on_call, [each.name for each in config.receivers])
    root = build_route(config.route)
    for name, rule in loaded.alerts.rules.items():
        (route,) = root.match({"alertname": name, "severity": rule.severity})
        wanted = (
            loaded.alerts.level(level_of(rule.severity)).channels if rule.channels is None else rule.channels
        )
        assert route.receiver.rpartition(": ")[2] == ("/".join(wanted) or "nobody")
