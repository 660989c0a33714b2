"""A store, a view of it, and a table."""
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("SELECT mvstore_create('orm_prices', keep_for := '30 days')")
    op.execute("CREATE VIEW orm_price AS SELECT * FROM mvstore_scan('orm_prices')")
    op.create_table("orm_product",
                    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
                    sa.Column("sku", sa.String(20), nullable=False, unique=True))


def downgrade():
    op.drop_table("orm_product")
    op.execute("DROP VIEW orm_price")
    op.drop_table("orm_prices")
