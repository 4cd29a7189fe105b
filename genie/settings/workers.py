"""Workers: how long they own a job, and when they are replaced."""

from genie.core import env

# For how long a worker owns a job without a sign of life. Three heartbeats: one that is lost must
# not cost an attempt.
GENIE_LEASE_S = env.seconds("GENIE_LEASE_S", 30)
GENIE_HEARTBEAT_S = env.seconds("GENIE_HEARTBEAT_S", 10)  # how often a worker renews its leases
# How often a worker that nobody wakes looks for jobs by itself.
GENIE_CLAIM_LOOK_S = env.seconds("GENIE_CLAIM_LOOK_S", 5)
# Attempts at a job whose worker is lost again and again, the first one included.
GENIE_MAX_ATTEMPTS = env.integer("GENIE_MAX_ATTEMPTS", 5, minimum=1)
GENIE_DRAIN_S = env.seconds("GENIE_DRAIN_S", 45)  # a worker that stops lets its jobs finish so long
# The directory of files that workers touch, for probes of a cluster; empty: none.
GENIE_PULSE_DIR = env.text("GENIE_PULSE_DIR", "")
# The longest that a step may take; a worker whose model stands still for longer is replaced.
GENIE_STALL_S = {
    "chat": env.seconds("GENIE_STALL_CHAT_S", 60),  # the longest step: a token, a part of a prompt
    "embedding": env.seconds("GENIE_STALL_EMBEDDING_S", 60),  # the longest step: a batch
    "rerank": env.seconds("GENIE_STALL_RERANK_S", 60),  # the longest step: a batch
    "image": env.seconds("GENIE_STALL_IMAGE_S", 120),  # the longest step of a picture
    "video": env.seconds("GENIE_STALL_VIDEO_S", 600),  # the longest step of all frames of a video
    "audio": env.seconds("GENIE_STALL_AUDIO_S", 120),  # the longest step: a token, a sentence
}
# The longest load of a model, its download included; a worker that takes longer is replaced.
GENIE_LOAD_LIMIT_S = env.seconds("GENIE_LOAD_LIMIT_S", 1800)
