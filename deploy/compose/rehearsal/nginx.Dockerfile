# Stands in for nginx where no registry can be reached: Debian's, for the same user.
ARG PYTHON=python:3.13-slim
FROM ${PYTHON}
# Debian keeps one version only
# hadolint ignore=DL3008
RUN groupadd --gid 101 nginx && useradd --uid 101 --gid nginx nginx \
 && apt-get update && apt-get install -y --no-install-recommends nginx-light wget \
 && rm -rf /var/lib/apt/lists/*
CMD ["nginx", "-g", "daemon off;"]
