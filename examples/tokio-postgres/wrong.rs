// What tokio-postgres says where the type is not that of the function: nothing is stored.
mod session;
use session::{Args, Session};

impl Session {
    // It must fail with an SQLSTATE, or what the driver itself says. Returns the hint.
    async fn refused(&self, with: &str, query: &str, args: Args<'_>) -> Option<String> {
        let error = self.query(query, args).await.err().unwrap_or_else(|| panic!("not refused: {query}"));
        let got = error.code().map_or_else(|| format!("{error:?}"), |code| code.code().to_string());
        assert!(got.contains(with), "{query}: {got}");
        error.as_db_error()?.hint().map(String::from)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let db = session::connect().await;
    let raw: &[u8] = b"\x00\xff";
    let put = "SELECT mvstore_put('things', $1, $2)";
    let put_bytea = "SELECT mvstore_put_bytea('things', $1, $2)";

    // The server says what types the parameters have; tokio-postgres refuses others itself.
    let wrong = "WrongType";
    db.refused(wrong, put, &[&"k", &raw]).await;
    db.refused(wrong, put, &[&"k", &(b"text" as &[u8])]).await;
    db.refused(wrong, "SELECT mvstore_get('things', $1)", &[&raw]).await;
    db.refused(wrong, "SELECT mvstore_put_many('things', $1, $2)", &[&vec!["k"], &vec![raw]]).await;
    db.refused(wrong, put_bytea, &[&"k", &"v"]).await;
    db.refused(wrong, "SELECT mvstore_put_many_raw('things', $1, $2)", &[&vec!["k"], &vec!["v"]]).await;
    db.refused(wrong, put, &[&"k", &1i64]).await;

    // So it does with a store: it knows no regclass. A text with a cast does it.
    db.refused(wrong, "SELECT mvstore_put($1, $2, $3)", &[&"things", &"k", &"v"]).await;
    db.refused("42P01", "SELECT mvstore_put($1::text, $2, $3)", &[&"nothing", &"k", &"v"]).await;

    // query_typed says the types of its parameters: there is no such function.
    let typed = Session { client: db.client, pooled: true };
    typed.refused("42883", put, &[&"k", &raw]).await;
    typed.refused("42883", put_bytea, &[&"k", &"v"]).await;
    typed.refused("42883", "SELECT mvstore_put_many('things', $1, $2)", &[&vec!["k"], &vec![raw]]).await;
    let db = Session { client: typed.client, pooled: false };

    // A character with the code 0 is no text: PostgreSQL refuses it.
    db.refused("22021", put, &[&"k", &"a\0b"]).await;

    // None is "not given" for a ttl, and never a key, a value, a version or all keys.
    let (none, null) = (None::<&str>, "22004");
    db.refused(null, put, &[&"k", &none]).await;
    db.refused(null, put, &[&none, &"v"]).await;
    db.refused(null, put_bytea, &[&"k", &None::<&[u8]>]).await;
    db.refused(null, "SELECT mvstore_put($1::text, 'k', 'v')", &[&none]).await;
    db.refused(null, "SELECT mvstore_put_if('things', 'k', 'v', $1)", &[&None::<i64>]).await;
    db.refused(null, "SELECT mvstore_get('things', 'k', as_of := $1)", &[&None::<i64>]).await;
    db.refused(null, "SELECT mvstore_put_many('things', $1, $2)", &[&vec![none], &vec!["v"]]).await;
    db.refused(null, "SELECT mvstore_drop('things', $1)", &[&none]).await;

    // Bytes that are no text, read as text: the error says which function reads them.
    db.one::<i64>(put_bytea, &[&"blob", &raw]).await;
    let hint = db.refused("22021", "SELECT mvstore_get('things', $1)", &[&"blob"]).await;
    assert!(hint.unwrap().contains("mvstore_get_bytea"));
    db.refused("22021", "SELECT * FROM mvstore_scan('things')", &[]).await;

    let stored = db.pairs::<Vec<u8>>("SELECT key, value FROM mvstore_scan_bytea('things')", &[]).await;
    assert_eq!(stored, [("blob".to_string(), raw.to_vec())]);
}
