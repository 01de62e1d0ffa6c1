"""C12: a page says what replaces each command, file, port, variable, table and index of the five documents."""

import re
from functools import cache

import pytest

from payment_service.config import Settings
from payment_service.models import metadata
from tests.support.markdown import document

PAGE = "docs/explanation/coming-from-the-documents.md"
EVERY = "Every document"
FIRST_SCREEN = 25
"""Lines of the README that a reader sees at once."""

NAMES = {
    "Bills": """
        pip install -r requirements.txt | python app.py | http://localhost:8006 | 8006 | docker-compose up
        docker build -t payment-service:latest . | docker run -p 8006:8006 payment-service:latest
        /docs | /redoc | /health | PORT | DATABASE_URL | sqlite:///./payment.db | kubectl apply -f k8s/deployment.yaml
        Payments | payment_id | bill_id | amount | method | reference | paid_at | requirements.txt
    """,
    "Trips": r"""
        docker-compose build | docker-compose up -d | docker ps | curl http://127.0.0.1:8082/health
        python -m venv .venv | .venv\Scripts\activate | pip install -r requirements.txt | setenv.bat | /health
        python database_setup.py | python app.py | DB_HOST | DB_PORT | DB_NAME | DB_USER | DB_PASS | SERVICE_PORT
        TRIP_SERVICE_URL | DRIVER_SERVICE_URL | RIDER_SERVICE_URL | NOTIFICATION_SERVICE_URL | API_PREFIX
        IDEMPOTENCY_KEY_TTL | ENVIRONMENT | DEBUG | LOG_LEVEL | payments | idempotency_keys | payment_refunds | 8082
        SELECT encode(digest('demo-client-1','sha256'),'hex') | docker logs <container_name>
        psql -h localhost -d postgres -U postgres -c "\dt" | Payment Service - Local.postman_collection.json
        app.py | api/routes/payments.py | services/idempotency_service.py | services/payment_service.py
        python -c "import psycopg2; psycopg2.connect(...)"
        database_setup.py | Dockerfile | docker-compose.yml | .env.example
    """,
    "Bookings": r"""
        python -m venv venv | venv\Scripts\activate | source venv/bin/activate | pip install -r requirements.txt
        python run.py | docker-compose up -d | docker-compose up -d --scale payment-service=4 | FLASK_ENV | SECRET_KEY
        gunicorn --bind 0.0.0.0:5001 --workers 4 --threads 2 wsgi:app | JWT_SECRET_KEY | DATABASE_URL
        sqlite:///payments.db | RABBITMQ_ENABLED | RABBITMQ_HOST | SERVICE_PORT | 5001 | /health/ready | /health/live
        run.py
    """,
    "Orders": r"""
        cd eci-payment-service | docker-compose up -d | Invoke-RestMethod -Uri "http://localhost:8086/health" | 8086
        Start-Process "http://localhost:8086/docs" | .\sample_requests\charge_payment_idempotent.ps1
        docker-compose logs -f payment-service | docker-compose down | minikube start | minikube docker-env
        docker build -t payment-service:latest . | kubectl apply -f k8s/ | kubectl get pods -l app=payment-service
        kubectl get svc payment-service | minikube service payment-service --url | /metrics | /health | /docs
        kubectl port-forward service/payment-service 8086:80 | kubectl logs -f deployment/payment-service
        pip install pytest requests | python tests/test_integration.py | pytest tests/test_integration.py -v
        ORDER_SERVICE_URL | INVENTORY_SERVICE_URL | NOTIFICATION_SERVICE_URL | docker-compose restart payment-db
        docker-compose logs payment-db | main.py | db/init.sql | db/init_with_seed.sql | k8s/deployment.yaml
        k8s/service.yaml | k8s/configmap.yaml | k8s/db-configmap.yaml | k8s/secret.yaml | k8s/pvc.yaml | uvicorn
        sample_requests/charge_payment.json | sample_requests/charge_payment_idempotent.sh | create_payment.json
        update_status.json | refund_payment.json | README_ENHANCED.md | IMPROVEMENTS_NEEDED.md | payments
        transactions | idempotency_keys | id | idempotency_key | request_hash | response_body | status_code
        idx_payments_order_id | idx_payments_user_id | idx_payments_status | idx_payments_transaction_id
        idx_payments_reference | idx_idempotency_key | idx_idempotency_expires | payments_failed_total
        requirements.txt | Dockerfile | docker-compose.yml
    """,
    "Checkout": """
        poetry install | psql -f migrations/001_create_payment_tables.sql | poetry run python -m src.main | 8001
        uvicorn src.main:app --reload --port 8001 | payments | refunds | /health | payment.successful | payment.failed
        payment.refunded | migrations/001_create_payment_tables.sql | src/main.py
    """,
}
"""The names in the documents: commands, files, addresses, ports, variables, tables, columns and indexes."""


def named(channel: str) -> list[str]:
    return [name.strip() for line in NAMES[channel].strip().splitlines() for name in line.split("|")]


@cache
def rows(title: str) -> list[list[str]]:
    return list(document(PAGE).section(title).rows())


def is_named(name: str, text: str) -> bool:
    """Return whether it stands there, not as a part of a longer name."""
    return re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w/-])", text) is not None


@pytest.mark.parametrize(("channel", "name"), [(channel, name) for channel in NAMES for name in named(channel)])
def test_c12_every_name_of_a_document_has_a_row(channel: str, name: str) -> None:
    """Release 1.0.0 had no page that says what replaces it."""
    beside = [ours for theirs, ours in (*rows(channel), *rows(EVERY)) if is_named(name, theirs)]

    assert beside
    assert all(beside)


def test_c12_named_tables_columns_and_indexes_exist() -> None:
    """Every row of the document names an existing table, column or index."""
    text = "\n".join(ours for title in (*NAMES, EVERY) for _, ours in rows(title))
    tables = metadata.tables
    columns = [
        found for found in re.findall(r"`([a-z_]+)\.([a-z_]+)`", text) if found[1] not in {"db", "py", "txt", "yml"}
    ]
    indexes = {str(index.name) for table in tables.values() for index in table.indexes}
    indexes |= {str(constraint.name) for table in tables.values() for constraint in table.constraints}

    assert len(columns) > 5
    assert [(table, column) for table, column in columns if column not in tables[table].columns] == []
    assert set(re.findall(r"`((?:ix|pk|uq)_[a-z_]+)`", text)) - indexes == set()


def test_c12_unchanged_variables_are_read() -> None:
    """Every variable that a document sets is one of ours, in spite of other defaults."""
    ours = {field.metadata.get("name") or name.upper() for name, field in Settings.__dataclass_fields__.items()}
    parts = {"DATABASE_URL", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASS", "SERVICE_PORT", "PORT", "FLASK_ENV"}
    variables = {name for channel in NAMES for name in named(channel) if re.fullmatch(r"[A-Z][A-Z_]+", name)}

    assert len(variables) > 20
    assert variables - ours - parts == set()


def test_c12_first_screen_of_the_readme_links_the_page() -> None:
    """A reader who comes from a document looks no further than the first screen."""
    first = document("README.md").text.splitlines()[:FIRST_SCREEN]

    assert f"]({PAGE})" in "\n".join(first)
