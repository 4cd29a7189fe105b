"""Reads pictures that callers sent, within bounds, and writes pictures down. Knows no torch.

A caller's picture is hostile until it has been decoded: a file of a few kilobytes may unfold to
gigabytes, and a decoder may trip over anything. So the size is read from the header first, by the
format's own reader and by none but the four that are known, and only then is it decoded.
"""

import dataclasses
import io
import struct
from collections.abc import Callable

from PIL import GifImagePlugin, Image, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from inference.errors import InputRejected
from inference.types import ImageFormat

MAX_PIXELS = 50_000_000  # of a picture that is read: 150 MB when decoded; more than phones take
MAX_SIDE = 16_383  # pixels; WebP's own bound

_BACKGROUND = (255, 255, 255)  # what shows through where a picture is transparent
_FORMATS = "PNG, JPEG, WebP or GIF"
_Reader = Callable[[io.BytesIO], Image.Image]
# By its first bytes, not by trying: `Image.open` would warn of large pictures before they are seen.
_READERS: tuple[tuple[bytes, str, _Reader], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png", PngImagePlugin.PngImageFile),
    (b"\xff\xd8\xff", "jpeg", JpegImagePlugin.JpegImageFile),
    (b"GIF87a", "gif", GifImagePlugin.GifImageFile),
    (b"GIF89a", "gif", GifImagePlugin.GifImageFile),
)
_QUALITY = {ImageFormat.WEBP: 90, ImageFormat.JPEG: 92}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a picture's first bytes say about it."""

    format: str  # png, jpeg, webp or gif
    width: int  # pixels, before it is turned upright
    height: int


def inspect(content: bytes, *, field: str, max_pixels: int = MAX_PIXELS) -> Header:
    """Return what the header of an encoded picture says, without decoding it.

    Raises:
        InputRejected: it is no picture, of another format, or too large.
    """
    name, image = _opened(content, field=field, max_pixels=max_pixels)
    return Header(format=name, width=image.width, height=image.height)


def read(content: bytes, *, field: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return an encoded picture in RGB: upright, on white where transparent; of a GIF the first.

    Raises:
        InputRejected: it is no picture, of another format, too large, or cut off.
    """
    _, image = _opened(content, field=field, max_pixels=max_pixels)
    try:
        image.load()
        return _flat(ImageOps.exif_transpose(image))
    except Exception as error:  # decoders raise whatever the damage led them to
        raise _unreadable(field) from error


def cover(image: Image.Image, *, width: int, height: int) -> Image.Image:
    """Return the picture in this size: scaled to cover it, its overhang cut off on both sides."""
    return ImageOps.fit(image, (width, height), method=Image.Resampling.LANCZOS)


def write(image: Image.Image, image_format: ImageFormat, *, quality: int | None = None) -> bytes:
    """Return an RGB picture, encoded. Same picture, same bytes.

    ``quality`` is 0 to 100 and acts on the formats that have losses.
    """
    written = io.BytesIO()
    if image_format is ImageFormat.PNG:
        image.save(written, "PNG", compress_level=4)  # noise does not shrink further by trying
    else:
        image.save(
            written,
            image_format.value.upper(),
            quality=_QUALITY[image_format] if quality is None else quality,
        )
    return written.getvalue()


def _opened(content: bytes, *, field: str, max_pixels: int) -> tuple[str, Image.Image]:
    try:
        name, image = _recognized(content, field=field)
    except InputRejected:
        raise
    except Exception as error:  # as above
        raise _unreadable(field) from error
    _check_size(image.width, image.height, field=field, max_pixels=max_pixels)
    return name, image


def _recognized(content: bytes, *, field: str) -> tuple[str, Image.Image]:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        # libwebp sets memory for the whole canvas aside when it opens a file.
        _check_size(*_webp_size(content), field=field, max_pixels=MAX_PIXELS)
        return "webp", WebPImagePlugin.WebPImageFile(io.BytesIO(content))
    for magic, name, reader in _READERS:
        if content.startswith(magic):
            return name, reader(io.BytesIO(content))
    raise InputRejected(f"{field} is not a picture that can be read; send {_FORMATS}.", field=field)


def _webp_size(content: bytes) -> tuple[int, int]:
    """Return width and height as WebP's first chunk has them (RFC 9649)."""
    match content[12:16]:
        case b"VP8X":
            return (
                1 + int.from_bytes(content[24:27], "little"),
                1 + int.from_bytes(content[27:30], "little"),
            )
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", content, 21)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", content, 26)
            return width & 0x3FFF, height & 0x3FFF
    raise ValueError("no chunk of a picture comes first")


def _check_size(width: int, height: int, *, field: str, max_pixels: int) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= max_pixels):
        raise InputRejected(
            f"{field} is {width}x{height} pixels; send a picture of at most {max_pixels} pixels "
            f"in all and {MAX_SIDE} on a side.",
            field=field,
        )


def _flat(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value * (1 / 256)).convert("L")  # else cut off at 255
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    flat = Image.new("RGB", layered.size, _BACKGROUND)
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat


def _unreadable(field: str) -> InputRejected:
    return InputRejected(
        f"{field} is damaged or cut off; send a complete {_FORMATS} file.", field=field
    )
