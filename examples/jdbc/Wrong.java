// What JDBC says where the type is not that of the function: nothing is stored.
//
//     java -cp postgresql.jar:classes Wrong [OPTIONS]
import java.sql.SQLException;

public class Wrong extends Session {
    static String refused(String sqlstate, String query, Object... args) throws SQLException {
        try {
            rows(query, args);
        } catch (SQLException e) {
            if (!sqlstate.equals(e.getSQLState())) throw e;
            return e.getMessage();
        }
        throw new AssertionError("not refused: " + query);
    }

    public static void main(String[] args) throws Exception {
        connect(args);
        run("DROP TABLE IF EXISTS things");
        one("SELECT mvstore_create('things')");
        byte[] raw = {0x00, (byte) 0xff}, text = "text".getBytes("UTF-8");

        // Before 42.7.4 the driver cannot send bytes by the simple protocol.
        if (options.contains("simple") && conn.getMetaData().getDriverMinorVersion() < 7) {
            refused("42601", "SELECT mvstore_put_bytea('things', ?, ?)", "k", raw);
            same(one("SELECT count(*) FROM mvstore_scan('things')"), 0L);
            return;
        }

        // byte[] to the functions of text, String to those of bytes: there is no such function.
        String noFunction = "42883";
        refused(noFunction, "SELECT mvstore_put('things', ?, ?)", "k", raw);
        refused(noFunction, "SELECT mvstore_put('things', ?, ?)", "k", text);
        refused(noFunction, "SELECT mvstore_get('things', ?)", raw);
        refused(noFunction, "SELECT mvstore_put_many('things', ?, ?::bytea[])", texts("k"), blobs(raw));
        refused(noFunction, "SELECT mvstore_put('things', ?, ?)", "k", 1);
        if (!options.contains("simple")) {
            refused(noFunction, "SELECT mvstore_put_many('things', ?, ?)", texts("k"), blobs(raw));
            refused(noFunction, "SELECT mvstore_put_bytea('things', ?, ?)", "k", "v");
            refused(noFunction, "SELECT mvstore_put_many_raw('things', ?, ?)", texts("k"), texts("v"));
        } else {
            // Simple protocol: a String has no type, and is what PostgreSQL's input of bytea makes
            // of it. Nor has an array: one of byte[] is stored in the text form of bytea.
            one("SELECT mvstore_put_bytea('things', ?, ?)", "k", "\\x41");
            same(one("SELECT mvstore_get('things', ?)", "k"), "A");
            one("SELECT mvstore_put_many('things', ?, ?)", texts("k"), blobs(raw));
            same(one("SELECT mvstore_get('things', ?)", "k"), "\\x00ff");
            one("SELECT mvstore_delete('things', ?)", "k");
        }

        // A character with the code 0 is no text: refused by PostgreSQL, or by the driver itself.
        try {
            one("SELECT mvstore_put('things', ?, ?)", "k", "a\0b");
            throw new AssertionError("not refused: a zero character");
        } catch (SQLException | IllegalArgumentException e) {
            if (e instanceof SQLException && !((SQLException) e).getSQLState().matches("22021|22023|08P01")) throw e;
        }

        // null is "not given" for a ttl, and never a key, a value, a version or all keys.
        String noNull = "22004";
        refused(noNull, "SELECT mvstore_put('things', ?, ?)", "k", null);
        refused(noNull, "SELECT mvstore_put('things', ?, ?)", null, "v");
        refused(noNull, "SELECT mvstore_put(?, 'k', 'v')", (Object) null);
        refused(noNull, "SELECT mvstore_put_if('things', 'k', 'v', ?)", (Object) null);
        refused(noNull, "SELECT mvstore_get('things', 'k', as_of := ?)", (Object) null);
        refused(noNull, "SELECT mvstore_put_many('things', ?, ?)", texts((String) null), texts("v"));
        refused(noNull, "SELECT mvstore_drop('things', ?)", (Object) null);

        // Bytes that are no text, read as text: the error says which function reads them.
        one("SELECT mvstore_put_bytea('things', ?, ?)", "blob", raw);
        String said = refused("22021", "SELECT mvstore_get('things', ?)", "blob");
        same(said.contains("mvstore_get_bytea"), true);
        refused("22021", "SELECT * FROM mvstore_scan('things')");

        same(rows("SELECT key FROM mvstore_scan_bytea('things')"), list("blob"));
    }
}
