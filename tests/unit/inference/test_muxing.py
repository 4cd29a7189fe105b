"""Videos as files: shown for exactly as long as asked, and the same bytes for the same frames."""

import io
from collections.abc import Iterator

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.backends import muxing
from inference.backends.muxing import Film
from inference.types import Container

RED = (200, 30, 40)


def frames(film: Film) -> Iterator[NDArray[np.uint8]]:
    for _ in range(film.count):
        yield np.full((film.height, film.width, 3), RED, np.uint8)


def film(container: Container, *, count: int = 9, duration_ms: int = 1234) -> Film:
    return Film(container=container, width=32, height=18, count=count, duration_ms=duration_ms)


def written(which: Film) -> bytes:
    return muxing.write(frames(which), which, threads=1, on_frame=lambda: None)


@pytest.mark.parametrize("container", list(Container))
class TestWrite:
    @pytest.mark.parametrize(("count", "duration_ms"), [(9, 1000), (17, 1234), (33, 4000), (1, 40)])
    def test_lasts_exactly_as_long_as_asked(
        self, container: Container, count: int, duration_ms: int
    ) -> None:
        content = written(film(container, count=count, duration_ms=duration_ms))

        with av.open(io.BytesIO(content), "r") as video:
            assert video.duration == duration_ms * 1000
            assert len(list(video.decode(video=0))) == count

    def test_shows_each_frame_for_its_share(self, container: Container) -> None:
        with av.open(io.BytesIO(written(film(container))), "r") as video:
            starts = [round(frame.time * 1000) for frame in video.decode(video=0)]

        assert starts == [number * 1234 // 9 for number in range(9)]

    def test_keeps_colours_and_says_which_they_are(self, container: Container) -> None:
        with av.open(io.BytesIO(written(film(container))), "r") as video:
            frame = next(video.decode(video=0))

        assert frame.format.name == "yuv420p"
        assert (frame.colorspace, frame.color_range) == (1, 1)
        middle = frame.to_ndarray(format="rgb24")[9, 16].astype(int)
        assert np.abs(middle - RED).max() <= 3

    def test_writes_the_same_bytes_for_the_same_frames(self, container: Container) -> None:
        assert written(film(container)) == written(film(container))

    def test_tells_of_each_frame_and_may_be_ended_there(self, container: Container) -> None:
        told: list[None] = []

        def on_frame() -> None:
            told.append(None)
            if len(told) == 3:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            muxing.write(frames(film(container)), film(container), threads=1, on_frame=on_frame)

        assert len(told) == 3


def test_an_mp4_can_be_played_before_it_has_arrived() -> None:
    content = written(film(Container.MP4))

    assert content.index(b"moov") < content.index(b"mdat")
