# One image for every role: `holdfast controller | orchestrator | worker MODULE`. Your code comes in a layer of its own:
#
#     FROM holdfast
#     COPY automations.py /srv/
#
# It is linted by the tests, which run no container engine.
FROM python:3.13-slim-trixie AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY holdfast ./holdfast
RUN python -m venv /opt/holdfast \
    && /opt/holdfast/bin/pip install --no-cache-dir ".[postgres,redis,encryption]"

FROM python:3.13-slim-trixie
RUN useradd --system --uid 10001 --home-dir /srv --shell /usr/sbin/nologin holdfast
COPY --from=build /opt/holdfast /opt/holdfast
ENV PATH=/opt/holdfast/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOLDFAST_LOG_FORMAT=json
WORKDIR /srv
USER holdfast
ENTRYPOINT ["holdfast"]
CMD ["--help"]
