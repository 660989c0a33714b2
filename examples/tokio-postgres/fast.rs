// Prepared statements, pipelines and many values at once with tokio-postgres.
//
//     fast [pooled]        pooled: through PgBouncer in transaction mode
mod session;
use futures_util::future::try_join_all;
use tokio_postgres::types::Type;

const PUT: &str = "SELECT mvstore_put_bytea('things', $1, $2)";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut db = session::connect().await;
    let pairs: Vec<(String, Vec<u8>)> = (0..1000).map(|i| (format!("p{i:03}"), vec![i as u8])).collect();

    // A statement that is prepared once. A pooler in transaction mode gives each transaction
    // any of its sessions, and the statement is not there in the others: prepare there only
    // within a transaction, or use query_typed, which prepares nothing.
    if !db.pooled {
        let put = db.client.prepare(PUT).await.unwrap();
        for (key, value) in &pairs[..10] {
            let version: i64 = db.client.query_one(&put, &[key, value]).await.unwrap().get(0);
            assert!(version > 0);
        }
        let kept = db.one::<i64>("SELECT count(*) FROM pg_prepared_statements WHERE statement = $1", &[&PUT]).await;
        assert_eq!(kept, 1);
    }
    let version: i64 = db.client.query_typed(PUT, &[(&"typed", Type::TEXT), (&b"\x00\xff".as_slice(), Type::BYTEA)])
        .await.unwrap()[0].get(0);
    assert_eq!(db.one::<Vec<u8>>("SELECT mvstore_get_bytea('things', $1)", &[&"typed"]).await, b"\x00\xff");

    // Futures that are awaited together are sent as a pipeline; in a transaction, a thousand
    // puts are of one version.
    let transaction = db.client.transaction().await.unwrap();
    let put = transaction.prepare(PUT).await.unwrap();
    let puts = pairs.iter().map(|(key, value)| {
        let (transaction, put) = (&transaction, &put);
        async move { transaction.query_one(put, &[key, value]).await }
    });
    let rows = try_join_all(puts).await.unwrap();
    transaction.commit().await.unwrap();
    let version_of_all: i64 = rows[0].get(0);
    assert!(version_of_all > version && rows.iter().all(|row| row.get::<_, i64>(0) == version_of_all));
    let scan = "SELECT key, value FROM mvstore_scan_bytea('things', $1, $2)";
    assert_eq!(db.pairs::<Vec<u8>>(scan, &[&"p", &"q"]).await, pairs);

    // The same as one statement with two arrays: less for server and network to do.
    let keys: Vec<String> = pairs.iter().map(|pair| pair.0.clone()).collect();
    let values: Vec<Vec<u8>> = pairs.iter().rev().map(|pair| pair.1.clone()).collect();
    db.one::<i64>("SELECT mvstore_put_many_bytea('things', $1, $2)", &[&keys, &values]).await;
    let many = "SELECT key, value FROM mvstore_get_many_bytea('things', $1)";
    let want: Vec<_> = keys.iter().cloned().zip(values).collect();
    assert_eq!(db.pairs::<Vec<u8>>(many, &[&keys]).await, want);
}
