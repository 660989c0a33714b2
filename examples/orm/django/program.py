#!/usr/bin/env python3
"""mvstore with Django: a store as a model, and migrations that leave mvstore's tables alone.

    program.py [pooled]         pooled: through PgBouncer in transaction mode
Where the server is comes from PGHOST, PGDATABASE, ..., as for psql.
"""
import os
import sys
import django
from django.conf import settings
from django.core.management import call_command

# A project has this in settings.py. psycopg prepares nothing here unless it is told to; a
# cursor of the server's lives in one transaction, so a pooler cannot have one outside.
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
                           "DISABLE_SERVER_SIDE_CURSORS": "pooled" in sys.argv}},
    INSTALLED_APPS=["shop"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True)
django.setup()

from django.db import connection, transaction                                  # noqa: E402
from django.db.models import F, Func, OuterRef, Subquery, TextField, Value     # noqa: E402
from django.db.utils import DatabaseError                                      # noqa: E402
from shop.models import Price, PriceEntry, Product                             # noqa: E402


def sql(text, *args):
    with connection.cursor() as cursor:
        cursor.execute(text, args)
        return cursor.fetchall() if cursor.description else None


def mvstore_tables():
    return sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'mvstore%%'")[0][0]


sql("DROP VIEW IF EXISTS shop_price")
sql("DROP TABLE IF EXISTS shop_prices, shop_product, django_migrations")

# Migrations make the store and the view. Then the models agree with them, so that
# makemigrations has nothing to add; and mvstore's own tables are none of its business.
before = mvstore_tables()
call_command("migrate", verbosity=0)
call_command("makemigrations", check=True, dry_run=True, verbosity=0)
assert sql("SELECT keep_for::text FROM mvstore_stores WHERE store = 'shop_prices'::regclass") == [("30 days",)]

# Writes by the model's methods, reads by all that a manager has.
pear = Price.objects.create(key="pear", value="2")
apple = Price.objects.create(key="apple", value="1")
Price(key="apple", value="3").save()
assert Price.objects.get(pk="apple").value == "3"
assert list(Price.objects.filter(key__startswith="p").values_list("key", "value")) == [("pear", "2")]
assert "Key Cond" in Price.objects.filter(key="apple").explain()

# Compare and set: what was read must still be the newest.
apple.value = "4"
try:
    apple.save_if_unchanged()
    raise AssertionError("not refused: an outdated version")
except Price.Outdated:
    pass
apple.refresh_from_db()
apple.value = "4"
apple.save_if_unchanged()
Price(key="plum", value="5").save_if_unchanged()

# A function in a query, and a join by key.
Product.objects.bulk_create([Product(sku="apple"), Product(sku="kiwi")])
get = Func(Value("shop_prices"), F("sku"), function="mvstore_get", output_field=TextField())
assert list(Product.objects.order_by("sku").annotate(price=get).values_list("sku", "price")) == [
    ("apple", "4"), ("kiwi", None)]
price = Subquery(Price.objects.filter(key=OuterRef("sku")).values("value"))
assert list(Product.objects.annotate(price=price).exclude(price=None).values_list("sku", "price")) == [("apple", "4")]

# The past: in this transaction, all queries read one version.
pear.delete()
with transaction.atomic():
    sql("SELECT set_config('mvstore.as_of', %s, true)", str(pear.version - 1))
    assert Price.objects.get(pk="pear").value == "2"
assert not Price.objects.filter(pk="pear").exists()

# All versions of a key, from the table itself.
entries = PriceEntry.objects.filter(key=b"pear").order_by("-version")
assert [e.value and bytes(e.value) for e in entries] == [None, b"2"]

# What goes past the functions is refused: nobody writes to the view.
for refused in (lambda: Price.objects.bulk_create([Price(key="k", value="v")]),
                lambda: Price.objects.update(value="v"), lambda: Price.objects.all().delete()):
    try:
        with transaction.atomic():
            refused()
    except DatabaseError:
        continue
    raise AssertionError("not refused: a write to the view")

# flush, as tests do, empties what Django manages. A store is cleared by its function.
call_command("flush", interactive=False, verbosity=0)
assert not Product.objects.exists() and Price.objects.count() == 2
sql("SELECT mvstore_clear('shop_prices')")
assert not Price.objects.exists()

# Back to nothing: the store goes with its migration, mvstore's tables stay.
call_command("migrate", "shop", "zero", verbosity=0)
assert sql("SELECT to_regclass('shop_prices')") == [(None,)] and mvstore_tables() == before
sql("DROP TABLE django_migrations")
