// mvstore with tokio-postgres: &str to the plain functions, &[u8] to ..._bytea and ..._raw.
//
//     values [pooled]      pooled: through PgBouncer in transaction mode (see session.rs)
//
// Where the server is comes from PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD.
mod session;
use std::time::SystemTime;

const ANY: &[u8] = b"\x00\xff\\x41"; // no text in any encoding
type Bytes = Vec<u8>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let db = session::connect().await;

    // Text, and what is not there.
    let v1: i64 = db.one("SELECT mvstore_put('things', $1, $2)", &[&"apple", &"größer"]).await;
    assert_eq!(db.one::<String>("SELECT mvstore_get('things', $1)", &[&"apple"]).await, "größer");
    assert_eq!(db.one::<Option<String>>("SELECT mvstore_get('things', $1)", &[&"pear"]).await, None);

    // Bytes under a text key, and under a key of bytes. A store in a parameter is a text with a cast.
    db.one::<i64>("SELECT mvstore_put_bytea('things', $1, $2)", &[&"blob", &ANY]).await;
    assert_eq!(db.one::<Bytes>("SELECT mvstore_get_bytea('things', $1)", &[&"blob"]).await, ANY);
    db.one::<i64>("SELECT mvstore_put_raw($1::text, $2, $3)", &[&"things", &ANY, &(b"" as &[u8])]).await;
    assert_eq!(db.one::<Bytes>("SELECT mvstore_get_raw('things', $1)", &[&ANY]).await, b"");

    // Arguments by name; None is "not given" where the function has a default.
    let put = "SELECT mvstore_put('things', $1, $2, ttl := $3::text::interval)";
    db.one::<i64>(put, &[&"apple", &"red", &"1 day"]).await;
    db.one::<i64>(put, &[&"apple", &"ripe", &None::<&str>]).await;
    assert_eq!(db.one::<String>("SELECT mvstore_get('things', $1, as_of := $2)", &[&"apple", &v1]).await, "größer");

    // history: the newest first; a value of None is a tombstone.
    db.one::<i64>("SELECT mvstore_delete('things', $1)", &[&"apple"]).await;
    let history = db.query("SELECT * FROM mvstore_history('things', $1)", &[&"apple"]).await.unwrap();
    let values: Vec<Option<&str>> = history.iter().map(|row| row.get("value")).collect();
    assert_eq!(values, [None, Some("ripe"), Some("red"), Some("größer")]);
    assert!(history[2].get::<_, SystemTime>("expires_at") > SystemTime::now());

    // put_if: with the version that was read, 0 for "must be absent"; None: somebody was first.
    let put_if = "SELECT mvstore_put_if('things', $1, $2, $3)";
    let v: i64 = db.one(put_if, &[&"n", &"1", &0i64]).await;
    assert_eq!(db.one::<Option<i64>>(put_if, &[&"n", &"1", &0i64]).await, None);
    assert!(db.one::<i64>(put_if, &[&"n", &"2", &v]).await > v);
    assert_eq!(db.one::<Option<i64>>("SELECT mvstore_put_if_bytea('things', $1, $2, $3)", &[&"n", &ANY, &v]).await, None);

    // Vectors are arrays; in put_many, None deletes.
    let put_many = "SELECT mvstore_put_many('things', $1, $2)";
    db.one::<i64>(put_many, &[&vec!["k1", "k2", "n"], &vec![Some("a"), Some("b"), None]]).await;
    let got = db.pairs::<Option<String>>("SELECT key, value FROM mvstore_get_many('things', $1)", &[&vec!["k2", "n"]]).await;
    assert_eq!(got, [("k2".into(), Some("b".into())), ("n".into(), None)]);
    assert_eq!(db.one::<Option<i64>>(put_many, &[&Vec::<&str>::new(), &Vec::<&str>::new()]).await, None);
    db.one::<i64>("SELECT mvstore_put_many_bytea('things', $1, $2)", &[&vec!["k3", "k4"], &vec![ANY, b"\xff"]]).await;
    let raw: (Vec<&[u8]>, Vec<Option<&[u8]>>) = (vec![b"\xfe", ANY], vec![Some(b"\xff"), None]);
    db.one::<i64>("SELECT mvstore_put_many_raw('things', $1, $2)", &[&raw.0, &raw.1]).await;

    // Pages of a scan: bounds of None are open; the next page begins behind the last key.
    let scan = "SELECT key, value FROM mvstore_scan_bytea('things', from_key := $1, to_key := $2, max_rows := $3)";
    let (mut seen, mut start) = (Vec::<(String, Bytes)>::new(), None::<String>);
    loop {
        let page = db.pairs(scan, &[&start, &"l", &2i64]).await;
        let Some(last) = page.last() else { break };
        start = Some(format!("{}\u{1}", last.0));
        seen.extend(page);
    }
    let want: [(&str, &[u8]); 5] = [("blob", ANY), ("k1", b"a"), ("k2", b"b"), ("k3", ANY), ("k4", b"\xff")];
    assert_eq!(seen, want.map(|(key, value)| (key.to_string(), value.to_vec())));
}
