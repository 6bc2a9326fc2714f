# The course as an image. script/image builds it; compose.yaml runs it beside an engine of its own.
ARG BASE=python:3.13-slim

FROM ${BASE} AS packages
WORKDIR /course
COPY requirements.txt ca-certificates.cr[t] ./
RUN python3 -m venv .venv \
    && if [ -f ca-certificates.crt ]; then export PIP_CERT=/course/ca-certificates.crt; fi \
    && .venv/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \
        --only-binary :all: --require-hashes -r requirements.txt \
    && cp requirements.txt .venv/ \
    && rm -f ca-certificates.crt \
    # Bytecode that does not depend on when a file was made: the same packages are the same layer.
    && .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash .venv \
    && find . -exec touch -h -d @0 {} +

FROM packages AS course
COPY . .
RUN rm -f ca-certificates.crt \
    && .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash -x '[.]venv' . \
    && mkdir -m 700 instance \
    && chown 1000:1000 instance \
    && mv .venv / \
    && find . -exec touch -h -d @0 {} +

FROM ${BASE}
RUN for each in bash curl docker openssl; do \
        command -v "$each" >/dev/null || missing=yes; \
    done; \
    if [ -n "$missing" ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends bash curl docker-cli openssl \
        && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/*; \
    fi \
    && echo 'learner:x:1000:1000::/home/learner:/bin/bash' >>/etc/passwd \
    && echo 'learner:x:1000:' >>/etc/group \
    && mkdir -p /home/learner \
    && chown 1000:1000 /home/learner
COPY --from=packages /course/.venv /course/.venv
COPY --from=course /course /course
WORKDIR /course
USER 1000:1000
ENV HOME=/home/learner \
    LABRUNNER_BIND=0.0.0.0 \
    PATH=/course/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=5m CMD \
    origin=${LABRUNNER_ORIGIN%% *}; \
    curl -fsS --noproxy '*' ${origin:+-H "Host: ${origin#*://}"} \
        "http://127.0.0.1:${LABRUNNER_PORT:-8000}${SCRIPT_NAME}/health"
CMD ["script/server"]
