"""Pictures that callers send: what is read, and what is refused before it is decoded."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference import pictures
from inference.errors import InputRejected
from inference.types import ImageFormat


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, image_format, **options)
    return written.getvalue()


def plain(width: int = 8, height: int = 4, color: object = (200, 10, 10)) -> Image.Image:
    return Image.new("RGB", (width, height), color)  # type: ignore[arg-type]


def read(content: bytes) -> Image.Image:
    return pictures.read(content, field="start_image")


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + png_chunk(b"IEND", b"")
    )


def webp_claiming(width: int, height: int) -> bytes:
    body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def gif_claiming(width: int, height: int) -> bytes:
    content = encoded(plain(), "gif")
    return content[:6] + struct.pack("<HH", width, height) + content[10:]


def read_or_refused(content: bytes) -> str:
    try:
        return read(content).mode
    except InputRejected as refusal:
        return refusal.field


class TestInspect:
    @pytest.mark.parametrize("name", ["png", "jpeg", "webp", "gif"])
    def test_tells_format_and_size(self, name: str) -> None:
        header = pictures.inspect(encoded(plain(), name), field="start_image")

        assert header == pictures.Header(format=name, width=8, height=4)

    @pytest.mark.parametrize(
        "options", [{"lossless": True}, {"lossless": False}], ids=["VP8L", "VP8"]
    )
    def test_reads_the_size_of_each_kind_of_webp(self, options: dict[str, bool]) -> None:
        content = encoded(plain(300, 200), "webp", **options)

        assert pictures._webp_size(content) == (300, 200)

    @pytest.mark.parametrize(
        "content",
        [png_claiming(60_000, 60_000), png_claiming(16_000, 16_000), webp_claiming(16_383, 16_383),
         webp_claiming(2**24, 2**24), gif_claiming(65_535, 65_535)],
        ids=["huge png", "large png", "large webp", "huge webp", "huge gif"],
    )  # fmt: skip
    def test_refuses_a_size_that_would_not_fit_before_decoding(self, content: bytes) -> None:
        with pytest.raises(InputRejected, match="pixels in all") as caught:
            pictures.inspect(content, field="start_image")

        assert caught.value.field == "start_image"

    def test_takes_the_callers_bound(self) -> None:
        with pytest.raises(InputRejected, match="at most 31 pixels"):
            pictures.inspect(encoded(plain(), "png"), field="end_image", max_pixels=31)

    @pytest.mark.parametrize(
        "content",
        [b"", b"hello", b"<svg/>", b"\x89PNG", encoded(plain(), "bmp"), encoded(plain(), "tiff")],
        ids=["empty", "text", "svg", "start of png", "bmp", "tiff"],
    )
    def test_refuses_other_formats(self, content: bytes) -> None:
        with pytest.raises(InputRejected, match="send PNG, JPEG, WebP or GIF"):
            pictures.inspect(content, field="start_image")


class TestRead:
    @pytest.mark.parametrize("name", ["png", "jpeg", "webp", "gif"])
    @pytest.mark.parametrize("share", [0.5, 0.9])
    def test_refuses_what_is_cut_off(self, name: str, share: float) -> None:
        content = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), name)

        with pytest.raises(InputRejected, match="damaged or cut off"):
            read(content[: int(len(content) * share)])

    def test_turns_it_upright_as_its_camera_says(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # turn it a quarter clockwise to see it upright

        image = read(encoded(plain(8, 4), "jpeg", exif=exif))

        assert image.size == (4, 8)

    @pytest.mark.parametrize(
        ("image", "options"),
        [(Image.new("RGBA", (2, 2), (0, 0, 0, 0)), {}),
         (Image.new("LA", (2, 2), (0, 0)), {}),
         (Image.new("P", (2, 2), 0), {"transparency": 0})],
        ids=["RGBA", "LA", "palette"],
    )  # fmt: skip
    def test_lays_what_is_transparent_on_white(
        self, image: Image.Image, options: dict[str, object]
    ) -> None:
        flat = read(encoded(image, "png", **options))

        assert flat.mode == "RGB"
        assert flat.getpixel((0, 0)) == (255, 255, 255)

    def test_keeps_the_brightness_of_16_bits(self) -> None:
        gray = Image.frombytes("I;16", (1, 1), struct.pack("<H", 0x8000))

        assert read(encoded(gray, "png")).getpixel((0, 0)) == (128, 128, 128)

    def test_takes_the_first_picture_of_a_gif(self) -> None:
        content = encoded(
            plain(color="red"), "gif", save_all=True, append_images=[plain(color="blue")]
        )

        assert read(content).getpixel((0, 0)) == (255, 0, 0)

    def test_takes_pictures_for_print(self) -> None:
        assert read(encoded(Image.new("CMYK", (2, 2)), "jpeg")).mode == "RGB"

    @given(st.data())
    def test_a_damaged_file_is_read_or_refused_and_nothing_else(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(["png", "jpeg", "webp", "gif"]))
        content = bytearray(encoded(plain(16, 16), name))
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

        assert read_or_refused(bytes(content)) in {"RGB", "start_image"}


class TestCover:
    def test_cuts_the_overhang_on_both_sides(self) -> None:
        image = plain(9, 3, "green")
        image.paste((255, 0, 0), (0, 0, 3, 3))
        image.paste((255, 0, 0), (6, 0, 9, 3))

        middle = pictures.cover(image, width=3, height=3)

        assert middle.size == (3, 3)
        assert middle.getpixel((1, 1)) == (0, 128, 0)


class TestWrite:
    @pytest.mark.parametrize("image_format", list(ImageFormat))
    def test_writes_what_can_be_read_again(self, image_format: ImageFormat) -> None:
        content = pictures.write(plain(), image_format)

        assert pictures.inspect(content, field="f").format == image_format
        assert read(content).size == (8, 4)

    def test_png_loses_nothing(self) -> None:
        image = Image.effect_noise((16, 16), 90).convert("RGB")

        assert read(pictures.write(image, ImageFormat.PNG)).tobytes() == image.tobytes()

    @pytest.mark.parametrize("image_format", [ImageFormat.JPEG, ImageFormat.WEBP])
    def test_of_a_lower_quality_are_smaller(self, image_format: ImageFormat) -> None:
        noise = Image.effect_noise((64, 64), 80).convert("RGB")

        sizes = [len(pictures.write(noise, image_format, quality=q)) for q in (0, 50, 100)]

        assert sizes == sorted(set(sizes))
