"""Alembic's env.py: stores, and mvstore's own tables, are not compared with the models."""
from alembic import context
from models import Base

connection = context.config.attributes["connection"]

# The tables that belong to an extension, and the stores.
not_ours = set(connection.exec_driver_sql("""
    SELECT relname FROM pg_class JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = pg_class.oid
     WHERE deptype = 'e'
    UNION ALL
    SELECT relname FROM pg_class JOIN mvstore_stores ON store = pg_class.oid""").scalars())


def include_name(name, kind, parents):
    """What is in the database and not in the models would be dropped."""
    return kind != "table" or name not in not_ours


def include_object(item, name, kind, reflected, compare_to):
    """What is in the models and not in the database would be created."""
    return not item.info.get("store")


filters = {"include_name": include_name, "include_object": include_object}
if not context.config.attributes.get("filter", True):
    filters = {}
context.configure(connection=connection, target_metadata=Base.metadata, version_table="orm_versions", **filters)
with context.begin_transaction():
    context.run_migrations()
