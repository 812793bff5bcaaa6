# One image for every service; what a container does is its command.
FROM python:3.13-slim AS build
RUN python3 -m venv /opt/cobalt
COPY requirements.lock /src/
RUN /opt/cobalt/bin/pip install --no-cache-dir --disable-pip-version-check -q --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE celeryconfig.py /src/
COPY cobalt_tasks /src/cobalt_tasks
COPY workers /src/workers
RUN /opt/cobalt/bin/pip install --no-cache-dir --disable-pip-version-check -q --no-deps /src

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
