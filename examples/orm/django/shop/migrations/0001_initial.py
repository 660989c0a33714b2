from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.RunSQL("SELECT mvstore_create('shop_prices', keep_for := '30 days')", "DROP TABLE shop_prices"),
        migrations.RunSQL("CREATE VIEW shop_price AS SELECT * FROM mvstore_scan('shop_prices')", "DROP VIEW shop_price"),
        migrations.CreateModel("Product", [
            ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False, verbose_name="ID")),
            ("sku", models.CharField(max_length=20, unique=True)),
        ]),
        # What makemigrations writes for the models of the view and of the table: no SQL comes of it.
        migrations.CreateModel("Price", [
            ("key", models.TextField(primary_key=True, serialize=False)),
            ("value", models.TextField()),
            ("version", models.BigIntegerField(default=0, editable=False)),
            ("expires_at", models.DateTimeField(editable=False, null=True)),
        ], options={"db_table": "shop_price", "managed": False}),
        migrations.CreateModel("PriceEntry", [
            ("pk", models.CompositePrimaryKey("key", "version", blank=True, editable=False, primary_key=True, serialize=False)),
            ("key", models.BinaryField()),
            ("version", models.BigIntegerField()),
            ("value", models.BinaryField(null=True)),
            ("expires_at", models.DateTimeField(null=True)),
        ], options={"db_table": "shop_prices", "managed": False}),
    ]
