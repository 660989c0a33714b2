// What the programs have in common: the connection, queries with their parameters, and
// a comparison that looks into arrays.
import java.sql.*;
import java.util.*;

class Session {
    static Connection conn;
    static String options;

    static String env(String name) { return Objects.requireNonNull(System.getenv(name), name); }

    static void connect(String[] args) throws SQLException {
        options = String.join("&", args);
        conn = DriverManager.getConnection(
            "jdbc:postgresql://" + env("PGHOST") + ":" + env("PGPORT") + "/" + env("PGDATABASE") + "?" + options,
            env("PGUSER"), env("PGPASSWORD"));
    }

    static void run(String query) throws SQLException {
        try (Statement statement = conn.createStatement()) { statement.execute(query); }
    }

    // setObject is setString for a String, setBytes for byte[], setLong, setArray, ...; null has
    // no type then, as with setNull(n, Types.NULL).
    static void bind(PreparedStatement statement, Object... args) throws SQLException {
        for (int i = 0; i < args.length; i++) statement.setObject(i + 1, args[i]);
    }

    // The rows; a row of one column is its value, one of more a list.
    static List<Object> rows(String query, Object... args) throws SQLException {
        try (PreparedStatement statement = conn.prepareStatement(query)) {
            bind(statement, args);
            List<Object> result = new ArrayList<>();
            for (ResultSet r = statement.executeQuery(); r.next(); ) {
                List<Object> row = new ArrayList<>();
                for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) row.add(r.getObject(i));
                result.add(row.size() == 1 ? row.get(0) : row);
            }
            return result;
        }
    }

    static Object one(String query, Object... args) throws SQLException { return rows(query, args).get(0); }

    static Array texts(String... x) throws SQLException { return conn.createArrayOf("text", x); }

    static Array blobs(byte[]... x) throws SQLException { return conn.createArrayOf("bytea", x); }

    static List<Object> list(Object... x) { return Arrays.asList(x); }

    static String plain(Object x) { return Arrays.deepToString(new Object[] {
        x instanceof List ? ((List<?>) x).stream().map(Session::plain).toArray() : x}); }

    static void same(Object got, Object want) {
        if (!plain(got).equals(plain(want))) throw new AssertionError("got " + plain(got) + ", not " + plain(want));
    }
}
