// What the programs have in common: the connection, a new store, and queries that are
// prepared (by tokio-postgres itself) or, through a pooler, sent with the types of their
// parameters.
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Row};

pub type Args<'a> = &'a [&'a dyn Typed];

// What type a Rust type goes as where the server is not asked.
pub trait Typed: ToSql + Sync {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type);
}
macro_rules! typed { ($($rust:ty => $sql:ident),*) => { $(impl Typed for $rust {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) { (self, Type::$sql) }
})* } }
typed!(&str => TEXT, String => TEXT, &[u8] => BYTEA, Vec<u8> => BYTEA, i64 => INT8,
       Option<&str> => TEXT, Option<String> => TEXT, Option<&[u8]> => BYTEA, Option<i64> => INT8,
       Vec<&str> => TEXT_ARRAY, Vec<String> => TEXT_ARRAY, Vec<Option<&str>> => TEXT_ARRAY,
       Vec<&[u8]> => BYTEA_ARRAY, Vec<Vec<u8>> => BYTEA_ARRAY, Vec<Option<&[u8]>> => BYTEA_ARRAY);

pub struct Session {
    pub client: Client,
    pub pooled: bool,
}

pub async fn connect() -> Session {
    let env = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let mut config = Config::new();
    config.host(env("PGHOST")).port(env("PGPORT").parse().unwrap()).dbname(env("PGDATABASE"));
    config.user(env("PGUSER")).password(env("PGPASSWORD"));
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    let session = Session { client, pooled: std::env::args().any(|a| a == "pooled") };
    session.client.batch_execute("DROP TABLE IF EXISTS things").await.unwrap();
    session.client.batch_execute("SELECT mvstore_create('things')").await.unwrap();
    session
}

impl Session {
    pub async fn query(&self, query: &str, args: Args<'_>) -> Result<Vec<Row>, Error> {
        let typed: Vec<_> = args.iter().map(|a| a.typed()).collect();
        if self.pooled {
            return self.client.query_typed(query, &typed).await;
        }
        let plain: Vec<_> = typed.iter().map(|(a, _)| *a).collect();
        self.client.query(query, &plain).await
    }

    // The first column of the only row.
    pub async fn one<T: FromSqlOwned>(&self, query: &str, args: Args<'_>) -> T {
        self.query(query, args).await.unwrap()[0].get(0)
    }

    // Keys and values.
    pub async fn pairs<V: FromSqlOwned>(&self, query: &str, args: Args<'_>) -> Vec<(String, V)> {
        self.query(query, args).await.unwrap().iter().map(|r| (r.get(0), r.get(1))).collect()
    }
}
