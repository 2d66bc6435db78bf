# One image for every memp process. The builder compiles ALFWorld's planner; the image itself has no compiler and no uv.
FROM python:3.12-slim-bookworm AS builder
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake g++ git make \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/memp
RUN uv venv "$VIRTUAL_ENV"
WORKDIR /build
# What memp runs on, in the versions and with the hashes of the lock; the tools of development stay out.
COPY requirements.lock pyproject.toml ./
RUN uv pip install --require-hashes --constraint requirements.lock --requirement pyproject.toml --extra alfworld
COPY LICENSE README.md ./
COPY bin bin
COPY envs envs
COPY experiments experiments
COPY memory memory
COPY runtime runtime
COPY workers workers
RUN uv pip install --no-deps .

FROM python:3.12-slim-bookworm
RUN useradd --create-home --uid 10001 memp
COPY --from=builder /opt/memp /opt/memp
ENV PATH=/opt/memp/bin:$PATH PYTHONUNBUFFERED=1
USER memp
WORKDIR /home/memp
ENTRYPOINT ["memp"]
