"""Machinery of the database: engine, tables, migrations, bulk statements. Queries live in their domain."""
