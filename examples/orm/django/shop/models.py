"""A store of prices, as Django sees it, beside a model of the usual kind.

The table shop_prices is the store, which has a row for each version of each key. The view
shop_price, on mvstore_scan, has a row for each key: what there is now. Both are made by a
migration; with managed = False, Django never creates, alters, flushes or drops them.
"""
from django.db import connections, models, router


class Product(models.Model):
    sku = models.CharField(max_length=20, unique=True)


class Price(models.Model):
    """What there is now, or as of mvstore.as_of. Writes go through mvstore's functions."""
    key = models.TextField(primary_key=True)
    value = models.TextField()
    version = models.BigIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        managed = False
        db_table = "shop_price"

    class Outdated(Exception):
        pass

    def call(self, function, *args, using=None):
        with connections[using or router.db_for_write(Price)].cursor() as cursor:
            cursor.execute(f"SELECT {function}('shop_prices'{', %s' * len(args)})", args)
            return cursor.fetchone()[0]

    def save(self, *args, using=None, **kwargs):
        self.version = self.call("mvstore_put", self.key, self.value, using=using)

    def save_if_unchanged(self):
        """Only if nobody has written it since it was read, or made it if it was not read."""
        version = self.call("mvstore_put_if", self.key, self.value, self.version)
        if version is None:
            raise Price.Outdated(self.key)
        self.version = version

    def delete(self, using=None, keep_parents=False):
        self.version = self.call("mvstore_delete", self.key, using=using)
        return 1, {"shop.Price": 1}


class PriceEntry(models.Model):
    """The store itself: all entries that are still there, for reports. Keys and values are bytes."""
    pk = models.CompositePrimaryKey("key", "version")
    key = models.BinaryField()
    version = models.BigIntegerField()
    value = models.BinaryField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "shop_prices"
