# Stands in for ollama/ollama where no registry can be reached: the tests' fake of its
# protocol, and a command line that can serve, list, show and pull.
ARG PYTHON=python:3.13-slim
FROM luminalib:local AS library
FROM ${PYTHON}
WORKDIR /srv/luminalib
COPY --from=library /opt/venv /opt/venv
COPY --from=library /srv/luminalib/app app
COPY tests/__init__.py tests/__init__.py
COPY tests/fakes tests/fakes
COPY --chmod=755 deploy/compose/rehearsal/ollama.py /usr/local/bin/ollama
ENV PYTHONPATH=/srv/luminalib HOME=/root PYTHONUNBUFFERED=1
ENTRYPOINT ["/usr/local/bin/ollama"]
CMD ["serve"]
