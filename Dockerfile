# SUS2 Explorer behind a reverse proxy (docs/deployment.md), for docker and podman:
#   podman build -t sus2 . && podman run --rm -p 127.0.0.1:8501:8501 -v sus2-cache:/cache sus2
FROM docker.io/library/python:3.11-slim AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# torch comes first, so that nothing else decides which build is installed; TORCH_INDEX names a pip index for a GPU's CUDA.
ARG TORCH_INDEX=
RUN python -m venv /opt/sus2 \
    && /opt/sus2/bin/pip install --no-cache-dir --constraint constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch \
    && SUS2_BUILD_KERNELS=1 /opt/sus2/bin/pip install --no-cache-dir --constraint constraints.txt '.[app,sign-in]'

FROM docker.io/library/python:3.11-slim
RUN useradd --uid 10001 --create-home --home-dir /home/sus2 sus2 && mkdir /cache && chown sus2 /cache
COPY --from=build /opt/sus2 /opt/sus2
USER 10001
# Settings of the server (SUS2_HOSTS and others) are given with --env; .streamlit/secrets.toml of sign-in in this folder.
WORKDIR /home/sus2
ENV SUS2_CACHE=/cache OMP_NUM_THREADS=1 SUS2_BASE_PATH=""
VOLUME /cache
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import os, urllib.request as u; path = os.environ['SUS2_BASE_PATH'].strip('/'); \
    u.urlopen('http://127.0.0.1:8501/' + (path + '/' if path else '') + '_stcore/health', timeout=5)"]
# All addresses of the container: -p 127.0.0.1:8501:8501 lets only the proxy on this computer reach it.
CMD ["sh", "-c", "exec /opt/sus2/bin/sus2 app --address 0.0.0.0 --port 8501 --base-path \"$SUS2_BASE_PATH\""]
