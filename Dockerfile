# syntax=docker/dockerfile:1
# Two images from one file:
#   docker build --target web -t genie-web .
#   docker build --target worker -t genie-worker .                                          (CPU)
#   docker build --target worker --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 -t genie-worker .
# The web image has no torch: it serves HTTP, delivers webhooks, keeps house and shows Flower.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
WORKDIR /srv/genie

FROM base AS build
RUN python -m venv /opt/venv
# The lock first, so that a change of code does not install everything again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY genie/__init__.py genie/__init__.py
# What settings may ask for of any process: files in a bucket, and traces.
RUN pip install -c constraints.txt ".[s3,otel]" && pip uninstall --yes genie

FROM build AS build-worker
# torch alone comes from this index, so that no other package can; "cpu" or a CUDA version.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --index-url "${TORCH_INDEX}" "torch==$(sed -n 's/^torch==//p' constraints.txt)" \
    && pip install -c constraints.txt ".[inference]" && pip uninstall --yes genie

FROM base AS runtime
# As process 1 Python would ignore a SIGTERM that comes before it has a handler; tini passes it on.
RUN apt-get update && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --system --gid 10001 genie \
    && useradd --system --uid 10001 --gid genie --home-dir /nonexistent --shell /usr/sbin/nologin genie
# What callers send and jobs make: a volume that web processes and workers share.
RUN install -d -o genie -g genie /var/lib/genie/files
# Code belongs to root and cannot be written by the user it runs as.
COPY manage.py ./
COPY LICENSE ./
COPY genie genie
COPY jobs jobs
COPY inference inference
COPY webhooks webhooks
COPY budgets budgets
COPY deploy/topology.toml deploy/topology.toml
COPY deploy/pulse.sh deploy/pulse.sh
# Compiled now: at run time nothing can be written beside the code, and every start would do it again.
RUN python -m compileall -q manage.py genie jobs inference webhooks budgets
# The processes of a container count together for Prometheus, in a place that no other container sees.
ENV PYTHONDONTWRITEBYTECODE=1 GENIE_PULSE_DIR=/tmp/genie-pulse GENIE_METRICS_DIR=/tmp/genie-metrics
LABEL org.opencontainers.image.title=genie org.opencontainers.image.licenses=Apache-2.0
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--"]

FROM runtime AS web
COPY --from=build /opt/venv /opt/venv
# collectstatic reads settings, which have no default secrets in production; these are thrown away.
RUN GENIE_ENVIRONMENT=production DATABASE_URL=postgresql://nowhere REDIS_URL=redis://nowhere \
    GENIE_SECRET_KEY=build GENIE_KEY_PEPPER=build GENIE_METRICS_DIR= \
    python manage.py collectstatic --noinput
USER 10001:10001
# Several processes, which count together.
ENV WEB_CONCURRENCY=2 GENIE_METRICS_DIR=/tmp/genie-metrics
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["python", "-m", "genie.serve", "--host", "0.0.0.0", "--port", "8000"]

FROM runtime AS worker
# Threads of torch that wait must sleep: spinning takes the cores from everybody else. The container
# runtime of NVIDIA mounts of its driver what is named here.
ENV TOKENIZERS_PARALLELISM=false OMP_WAIT_POLICY=PASSIVE HF_HOME=/var/cache/genie \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN install -d -o genie -g genie /var/cache/genie
COPY --from=build-worker /opt/venv /opt/venv
USER 10001:10001
VOLUME /var/cache/genie
HEALTHCHECK --interval=15s --timeout=5s --start-period=30m --start-interval=5s \
    CMD ["sh", "deploy/pulse.sh", "ready"]
CMD ["python", "manage.py", "workers"]
