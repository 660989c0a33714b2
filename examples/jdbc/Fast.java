// Server-side prepared statements and many values at once with JDBC.
//
//     java -cp postgresql.jar:classes Fast [OPTIONS]
//
// The driver prepares on the server what is used prepareThreshold times (5). A pooler in
// transaction mode gives each transaction any of its sessions, and a statement prepared
// in one is not there in the others: prepareThreshold=0 then.
import java.sql.*;
import java.util.*;

public class Fast extends Session {
    static final String PUT = "SELECT mvstore_put_bytea('things', ?, ?)";

    public static void main(String[] args) throws Exception {
        connect(args);
        run("DROP TABLE IF EXISTS things");
        one("SELECT mvstore_create('things')");
        String[] keys = new String[1000];
        byte[][] values = new byte[1000][];
        List<Object> pairs = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            keys[i] = String.format("p%03d", i);
            values[i] = new byte[] {(byte) i};
            pairs.add(list(keys[i], values[i]));
        }

        // One statement, used again, in one transaction: of one version.
        conn.setAutoCommit(false);
        Set<Object> versions = new HashSet<>();
        try (PreparedStatement put = conn.prepareStatement(PUT)) {
            for (int i = 0; i < 1000; i++) {
                bind(put, keys[i], values[i]);
                try (ResultSet r = put.executeQuery()) {
                    r.next();
                    versions.add(r.getLong(1));
                }
            }
        }
        if (!options.contains("simple") && !options.contains("prepareThreshold"))
            same(one("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%put_bytea%'"), 1L);
        conn.commit();
        conn.setAutoCommit(true);
        same(versions.size(), 1);
        same(rows("SELECT key, value FROM mvstore_scan_bytea('things', from_key := ?)", "p"), pairs);

        // A batch is a pipeline. What its functions return is not to be had.
        conn.setAutoCommit(false);
        try (PreparedStatement put = conn.prepareStatement(PUT)) {
            for (int i = 999; i >= 0; i--) {
                bind(put, keys[999 - i], values[i]);
                put.addBatch();
            }
            put.executeBatch();
        }
        conn.commit();
        conn.setAutoCommit(true);
        same(one("SELECT count(DISTINCT version) FROM mvstore_scan_bytea('things', 'p', 'q')"), 1L);
        same(one("SELECT mvstore_get_bytea('things', 'p000')"), values[999]);

        // The same as one statement with two arrays: less for server and network to do.
        Object version = one("SELECT mvstore_put_many_bytea('things', ?, ?)", texts(keys), blobs(values));
        same(rows("SELECT key, value FROM mvstore_get_many_bytea('things', ?)", texts(keys)), pairs);
        same(one("SELECT max(version) FROM mvstore_scan_bytea('things', 'p', 'q')"), version);
        conn.close();
    }
}
