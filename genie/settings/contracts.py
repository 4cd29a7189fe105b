"""The wire contracts: what Bifrost's and Oxen's callers may ask for."""

from genie.core import env

# How long results of /v1/async are kept, unless their caller asks for longer.
GENIE_BIFROST_TTL_S = env.seconds("GENIE_BIFROST_TTL_S", 3600)
# The longest that a caller of /v1/async may ask for.
GENIE_BIFROST_MAX_TTL_S = env.seconds("GENIE_BIFROST_MAX_TTL_S", 30 * 86_400)
# What may stand before the slash of `provider/model` at /v1/async.
GENIE_BIFROST_PROVIDERS = env.words("GENIE_BIFROST_PROVIDERS", "genie")
# How long a caller of Oxen's routes waits for a picture.
GENIE_OXEN_IMAGE_WAIT_S = env.seconds("GENIE_OXEN_IMAGE_WAIT_S", 120)
# How long a caller of Oxen's routes waits for a video.
GENIE_OXEN_VIDEO_WAIT_S = env.seconds("GENIE_OXEN_VIDEO_WAIT_S", 900)
# When a generation of Oxen's routes that has not ended is given up.
GENIE_OXEN_EXPIRY_S = env.seconds("GENIE_OXEN_EXPIRY_S", 86_400)
# Whether the answer to a POST of Oxen's calls it queued, as v2 does, or processing.
GENIE_OXEN_SAYS_QUEUED = env.boolean("GENIE_OXEN_SAYS_QUEUED", default=False)
