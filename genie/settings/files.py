"""Files: where they are kept, and how large they may be."""

from typing import Any
from urllib.parse import urlsplit

from genie.core import env
from genie.settings.base import STATE_DIR

# What callers send and jobs make, in a directory of this machine.
GENIE_FILES_DIR = env.text("GENIE_FILES_DIR", str(STATE_DIR / "files"))
# How long results are kept; 0: for good.
GENIE_FILES_KEPT_S = env.seconds("GENIE_FILES_KEPT_S", 0)
# A bucket that every process reaches, instead of the directory.
GENIE_FILES_BUCKET = env.text("GENIE_FILES_BUCKET", "")
_ENDPOINT = env.text("GENIE_FILES_ENDPOINT", "")  # the address of an S3 server other than Amazon's
_REGION = env.text("GENIE_FILES_REGION", "")  # where the bucket is
# The largest recording.
GENIE_UPLOAD_LIMIT_BYTES = env.integer("GENIE_UPLOAD_LIMIT_BYTES", 25 << 20)
# The largest start or end image.
GENIE_IMAGE_LIMIT_BYTES = env.integer("GENIE_IMAGE_LIMIT_BYTES", 20 << 20)
# The largest file that a caller keeps here; it is on a web process's disk while it comes.
GENIE_FILE_LIMIT_BYTES = env.integer("GENIE_FILE_LIMIT_BYTES", 200 << 20)
# All files that an organization keeps here.
GENIE_FILE_QUOTA_BYTES = env.integer("GENIE_FILE_QUOTA_BYTES", 10 << 30)


def _files_storage() -> dict[str, Any]:
    """Return the storage of files; credentials of a bucket come as boto3 looks for them."""
    if not GENIE_FILES_BUCKET:
        return {
            "BACKEND": "jobs.storage.DurableFileSystemStorage",
            "OPTIONS": {"location": GENIE_FILES_DIR, "base_url": None},
        }
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": GENIE_FILES_BUCKET,
            "endpoint_url": _ENDPOINT or None,
            "region_name": _REGION or None,
            "location": env.text("GENIE_FILES_PREFIX", ""),  # put before every name in the bucket
            "default_acl": None,
            "file_overwrite": True,  # a name is an id, so asking whether it is taken is a round trip
            "querystring_expire": 3600,  # of the address that a reader is sent to
            "signature_version": "s3v4",
        },
    }


def bucket_origins() -> list[str]:
    """Return from where a page loads results: a reader is led to the bucket, where there is one."""
    bucket = GENIE_FILES_BUCKET
    if not bucket:
        return []
    if _ENDPOINT:
        parts = urlsplit(_ENDPOINT)
        return [f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{bucket}.{parts.netloc}"]
    hosts = ["s3.amazonaws.com", *([f"s3.{_REGION}.amazonaws.com"] if _REGION else [])]
    return [f"https://{bucket}.{host}" for host in hosts]


STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "files": _files_storage(),
}
