"""What a connection needs, by the kind of broker."""

from genie.core import broker


def test_no_broker_makes_a_sender_wait_for_a_second_try() -> None:
    for url in ("redis://h/0", "amqps://u:p@h//"):
        options = broker.transport_options(url, longest_run_s=3600)

        assert (options["max_retries"], options["interval_start"]) == (0, 0)


def test_each_broker_gets_its_own_options_alone() -> None:
    of_redis = broker.transport_options("rediss://h/0", longest_run_s=3600)
    of_rabbit = broker.transport_options("amqp://h//", longest_run_s=3600)

    assert of_redis["visibility_timeout"] == 7200
    assert "visibility_timeout" not in of_rabbit
    assert of_rabbit["write_timeout"] > 0
