"""What every table uses: the metadata with the names of keys and indexes, and the type of row ids."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

# SQLite counts rows by itself only in a column of this very type.
RowId = BigInteger().with_variant(Integer, "sqlite")
