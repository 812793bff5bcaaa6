"""Counts that the overview and the map show, made by the upkeep: no request walks through all hosts or connections."""

from sqlalchemy import BigInteger, Column, Double, Integer, PrimaryKeyConstraint, Table, Text

from cobalt_tasks.db.tables.base import metadata

# How many hosts are located in each cell of a grid over the world, by country (hosts/map_cells.py). The rows of one round
# are a whole; the cursor "map cells" has the round that is shown.
map_cells = Table(
    "map_cells",
    metadata,
    Column("round", BigInteger, nullable=False),
    # From the south and from 180 degrees west; -1 for hosts of which only the country is known.
    Column("y", Integer, nullable=False),
    Column("x", Integer, nullable=False),
    Column("country_code", Text, nullable=False),
    # The city where they all are, else ''.
    Column("city", Text, nullable=False),
    Column("hosts", BigInteger, nullable=False),
    # The mean place of the hosts, in degrees.
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    PrimaryKeyConstraint("round", "y", "x", "country_code"),
)

# How many connections an own site ('' for hosts outside of all) had with a country, within each hour and each day.
flow_counts = Table(
    "flow_counts",
    metadata,
    Column("span", Text, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("site", Text, nullable=False),
    Column("country_code", Text, nullable=False),
    Column("connections", BigInteger, nullable=False),
    PrimaryKeyConstraint("span", "start", "site", "country_code"),
)
