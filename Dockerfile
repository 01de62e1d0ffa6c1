# The interpreter the tests run on. Every package below comes from the hash lock, nothing else is installed.
FROM python:3.11-slim-bookworm AS packages

# With Kafka's client and Stripe's library, so that KAFKA_BROKERS and STRIPE_API_KEY need no other image;
# LOCKS=requirements.txt makes it 45 MB smaller. The locks agree where they name the same package.
ARG LOCKS="requirements-kafka.txt requirements-stripe.txt"
COPY requirements*.txt /tmp/
RUN python -m venv /opt/venv \
 && for lock in $LOCKS; do \
      /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement "/tmp/$lock" || exit 1; \
    done


FROM python:3.11-slim-bookworm

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    # An image that is told nothing refuses every default of development.
    ENVIRONMENT=production \
    # The ports that the callers' documents name.
    BIND=0.0.0.0:8082,0.0.0.0:8006,0.0.0.0:5001,0.0.0.0:8086,0.0.0.0:8001

WORKDIR /app
# Without a database named, SQLite lives in var/: the only place the service may write to, besides /tmp.
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin payments \
 && install --directory --owner=payments /app/var
COPY --from=packages /opt/venv /opt/venv
COPY . .

USER 10001
VOLUME /app/var
EXPOSE 8082 8006 5001 8086 8001

# Alive, not ready: a container is not to be killed because its database is away.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8082, timeout=3); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]

# Migrates, then serves with the worker beside it. docker-compose.yml runs the three apart.
CMD ["bin/run"]
