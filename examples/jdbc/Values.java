// mvstore with JDBC: String to the plain functions, byte[] to ..._bytea and ..._raw.
//
//     java -cp postgresql.jar:classes Values [OPTIONS]
//
// OPTIONS of the URL: preferQueryMode=simple for the simple protocol; prepareThreshold=0
// through PgBouncer in transaction mode. Where the server is comes from PGHOST, ...
import java.sql.Timestamp;
import org.postgresql.util.PGInterval;

public class Values extends Session {
    static final byte[] ANY = {0x00, (byte) 0xff, '\\', 'x', '4', '1'};     // no text in any encoding

    public static void main(String[] args) throws Exception {
        connect(args);
        run("DROP TABLE IF EXISTS things");
        one("SELECT mvstore_create('things')");

        // Text, and what is not there.
        Object v1 = one("SELECT mvstore_put('things', ?, ?)", "apple", "größer");
        same(one("SELECT mvstore_get('things', ?)", "apple"), "größer");
        same(one("SELECT mvstore_get('things', ?)", "pear"), null);

        // Bytes under a text key, and under a key of bytes.
        one("SELECT mvstore_put_bytea('things', ?, ?)", "blob", ANY);
        same(one("SELECT mvstore_get_bytea('things', ?)", "blob"), ANY);
        one("SELECT mvstore_put_raw(?, ?, ?)", "things", ANY, new byte[0]);
        same(one("SELECT mvstore_get_raw('things', ?)", ANY), new byte[0]);

        // Arguments by name; null is "not given" where the function has a default.
        one("SELECT mvstore_put('things', ?, ?, ttl := ?)", "apple", "red", new PGInterval("1 day"));
        one("SELECT mvstore_put('things', ?, ?, ttl := ?)", "apple", "ripe", null);
        same(one("SELECT mvstore_get('things', ?, as_of := ?)", "apple", v1), "größer");

        // history: the newest first; a value of null is a tombstone.
        one("SELECT mvstore_delete('things', ?)", "apple");
        same(rows("SELECT value FROM mvstore_history('things', ?)", "apple"), list(null, "ripe", "red", "größer"));
        Object expires = one("SELECT max(expires_at) FROM mvstore_history('things', ?)", "apple");
        same(((Timestamp) expires).after(new Timestamp(System.currentTimeMillis())), true);
        same(rows("SELECT value FROM mvstore_history_raw('things', ?)", ANY), list(new byte[0]));

        // put_if: with the version that was read, 0 for "must be absent"; null: somebody was first.
        String putIf = "SELECT mvstore_put_if('things', ?, ?, ?)";
        long v = (Long) one(putIf, "n", "1", 0L);
        same(one(putIf, "n", "1", 0L), null);
        same((Long) one(putIf, "n", "2", v) > v, true);
        same(one("SELECT mvstore_put_if_bytea('things', ?, ?, ?)", "n", ANY, v), null);

        // Arrays: createArrayOf("text" or "bytea", ...). In put_many, null deletes.
        one("SELECT mvstore_put_many('things', ?, ?)", texts("k1", "k2", "n"), texts("a", "b", null));
        same(rows("SELECT key, value FROM mvstore_get_many('things', ?)", texts("k2", "n", "k1")),
             list(list("k2", "b"), list("n", null), list("k1", "a")));
        same(one("SELECT mvstore_put_many('things', ?, ?)", texts(), texts()), null);
        byte[] ff = {(byte) 0xff}, fe = {(byte) 0xfe};
        one("SELECT mvstore_put_many_bytea('things', ?, ?)", texts("k3", "k4"), blobs(ANY, ff));
        one("SELECT mvstore_put_many_raw('things', ?, ?)", blobs(fe, ANY), blobs(ff, null));
        same(rows("SELECT value FROM mvstore_get_many_raw('things', ?)", blobs(ANY, fe)), list(null, ff));

        // Pages of a scan: bounds of null are open; the next page begins behind the last key.
        String seen = "", scan = "SELECT key, value FROM mvstore_scan_bytea('things', from_key := ?, to_key := ?, max_rows := ?)";
        for (String start = null;;) {
            var page = rows(scan, start, "l", 2L);
            if (page.isEmpty()) break;
            for (Object row : page) seen += plain(row);
            start = ((java.util.List<?>) page.get(page.size() - 1)).get(0) + "\u0001";
        }
        same(seen, plain(list("blob", ANY)) + plain(list("k1", new byte[] {'a'})) + plain(list("k2", new byte[] {'b'}))
             + plain(list("k3", ANY)) + plain(list("k4", ff)));
        same(rows("SELECT key, value FROM mvstore_scan('things', ?, ?)", "k", "k3"),
             list(list("k1", "a"), list("k2", "b")));
    }
}
