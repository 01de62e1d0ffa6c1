"""The tables' demands on the program that works on them."""

from sqlalchemy import CheckConstraint, Column, Integer, String, Table

from payment_service.db import metadata

# One row. `min_code`: the oldest release that can work on these tables, by the newest migration that it knows. A
# migration that an older release cannot work with writes its own number here.
schema_information = Table(
    "schema_information",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("min_code", String(32), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
