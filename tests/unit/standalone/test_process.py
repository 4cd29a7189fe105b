"""Back-off and log reading of a supervised process."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from genie.standalone import process
from genie.standalone.process import Backoff


class TestBackoff:
    def test_doubles_up_to_the_limit(self) -> None:
        backoff = Backoff()

        delays = [backoff.next_delay_s(uptime_s=0.0) for _ in range(8)]

        assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]

    def test_starts_over_after_a_healthy_run(self) -> None:
        backoff = Backoff(failures=5)

        assert backoff.next_delay_s(uptime_s=process.HEALTHY_AFTER_S) == process.BACKOFF_FIRST_S

    @given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=50))
    def test_never_leaves_its_bounds(self, uptimes: list[float]) -> None:
        backoff = Backoff()

        delays = [backoff.next_delay_s(uptime_s=uptime) for uptime in uptimes]

        assert all(process.BACKOFF_FIRST_S <= d <= process.BACKOFF_LIMIT_S for d in delays)


class TestTail:
    def test_is_the_last_line_that_says_something(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        log.write_text("first\n  the reason\n\n")

        assert process.tail(log) == "the reason"

    def test_prefers_the_full_disk_to_what_follows_from_it(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        log.write_text("could not write: No space left on device\nshutting down\n")

        assert "No space left" in process.tail(log)

    def test_is_empty_without_a_log(self, tmp_path: Path) -> None:
        assert process.tail(tmp_path / "none") == ""
