"""Stores beside tables of the usual kind, as SQLAlchemy sees them."""
from sqlalchemy import BigInteger, DateTime, Identity, LargeBinary, String, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "orm_product"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    sku: Mapped[str] = mapped_column(String(20), unique=True)


class PriceEntry(Base):
    """The store itself: all entries that are still there. Alembic's env.py goes by the mark in info."""
    __tablename__ = "orm_prices"
    __table_args__ = {"info": {"store": True}}
    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    expires_at: Mapped[object] = mapped_column(DateTime(timezone=True), nullable=True)


class Price(Base):
    """What there is now, or as of mvstore.as_of: a view on mvstore_scan. To be read only."""
    __tablename__ = "orm_price"
    __table_args__ = {"info": {"store": True}}
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[object] = mapped_column(DateTime(timezone=True), nullable=True)


def put(session, key, value):
    return session.scalar(func.mvstore_put("orm_prices", key, value))


def put_if(session, key, value, version):
    """Only if that version is the newest, 0: none. The new version, or None."""
    return session.scalar(func.mvstore_put_if("orm_prices", key, value, version))
