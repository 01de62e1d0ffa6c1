"""These tests read the repository: its documents, its names, the shape of its code. They need no database either."""

from tests.unit.conftest import app, no_database, postgres

__all__ = ["app", "no_database", "postgres"]
