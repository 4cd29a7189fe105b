#!/bin/sh
# Whether the workers of this container live: each has touched its file in GENIE_PULSE_DIR within a
# minute, which is twelve beats. With "ready", also whether each has loaded its models.
# Asks neither broker nor database: while those are away, workers are to be left alone.
set -eu

limit_s=60
now=$(date +%s)
found=no
for pulse in "${GENIE_PULSE_DIR:?names the directory of the pulses}"/*; do
    [ -f "$pulse" ] || continue
    found=yes
    age_s=$((now - $(stat -c %Y "$pulse")))
    if [ "$age_s" -gt "$limit_s" ]; then
        echo "${pulse##*/} was last seen ${age_s} s ago"
        exit 1
    fi
    if [ "${1:-}" = ready ] && [ "$(cat "$pulse")" != ready ]; then
        echo "${pulse##*/} is loading its models"
        exit 1
    fi
done
if [ "$found" = no ]; then
    echo "no worker has begun"
    exit 1
fi
