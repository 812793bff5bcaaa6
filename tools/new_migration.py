"""Writes the next migration from the difference between the tables in models.py and the migrations there are.

Usage: python tools/new_migration.py REVISION "what it does"
"""

import sys
import tempfile

from alembic import command
from alembic.config import Config

from cobalt_tasks.db.engine import Database
from cobalt_tasks.db.schema import _MIGRATIONS, upgrade

revision, message = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    database = Database(f"sqlite:///{folder}/cobalt.db")
    if any((_MIGRATIONS / "versions").glob("*.py")):
        upgrade(database)
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=revision)
