#!/bin/sh
# Hold rules, their tests and the scrape configuration against Prometheus's own tool, where there is one.
# PROMTOOL names it; else it is looked for on the PATH.
set -eu

cd "$(dirname "$0")"
promtool=${PROMTOOL:-promtool}
if ! command -v "$promtool" > /dev/null; then
  echo "NOT RUN: promtool is not here (Debian has it in the package prometheus), so rules.yml was not checked with it."
  exit 0
fi
"$promtool" check config --syntax-only prometheus.yml
"$promtool" check rules rules.yml
"$promtool" test rules rules.test.yml
