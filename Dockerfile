# One image for every service; what a container does is its command.
FROM python:3.13-slim AS build
# As in the Makefile: a lock names every package with its hash, so pip resolves and builds nothing.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
RUN python3 -m venv /opt/cobalt && python3 -m venv /opt/build
COPY requirements.lock requirements-build.lock /src/
RUN /opt/cobalt/bin/pip install --no-deps --only-binary :all: --require-hashes -r /src/requirements.lock
RUN /opt/build/bin/pip install --no-deps --only-binary :all: --require-hashes -r /src/requirements-build.lock
COPY pyproject.toml README.md LICENSE celeryconfig.py /src/
COPY cobalt_tasks /src/cobalt_tasks
COPY workers /src/workers
RUN /opt/build/bin/pip wheel --no-deps --no-index --no-build-isolation -w /opt/wheels /src
RUN /opt/cobalt/bin/pip install --no-deps --no-index /opt/wheels/*.whl

FROM python:3.13-slim
COPY --from=build /opt/cobalt /opt/cobalt
COPY cobalt_tasks/flowerconfig.py /etc/cobalt/
# The state folder, owned by the user that runs everything; a named volume starts as a copy of it.
RUN useradd --uid 10001 --home-dir /var/lib/cobalt --create-home cobalt
ENV PATH=/opt/cobalt/bin:$PATH COBALT_HOME=/var/lib/cobalt PYTHONUNBUFFERED=1
USER cobalt
# Not a checkout: a celeryconfig.py in the working directory would shadow the installed one.
WORKDIR /var/lib/cobalt
CMD ["cobalt", "--help"]
