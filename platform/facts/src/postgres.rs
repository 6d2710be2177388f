//! Facts from a table or view of PostgreSQL: one query a load, on one connection that is made
//! when it is needed and made again when it was lost.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row, Statement};

use crate::secret::Secret;
use crate::source::{Answer, FactError, FactKey, FactRow, FactSource, Load, fact_value};

/// Most columns of one source: a function of PostgreSQL takes 100 arguments at most.
const MAX_COLUMNS: usize = 64;
/// A query's plan and round trip cost more than a key; the answer stays small.
const MAX_KEYS: usize = 500;

/// Which table, and how to get there.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// `postgresql://user@host:port/database`, without a password.
    pub url: String,
    /// The password, if one is needed.
    pub password: Option<Secret>,
    /// Table or view, with its schema if that is not on the search path. Names are taken as
    /// PostgreSQL stores them: in lower case, unless they were created in quotes.
    pub table: String,
    /// Column of the key: a text or an integer, with an index that begins with it.
    pub key_column: String,
    /// Columns of the facts.
    pub columns: Vec<String>,
    /// Time of one load, a connection included. The server is told to give up a little sooner.
    pub timeout: Duration,
}

/// A table or view of PostgreSQL.
pub struct PostgresSource {
    config: Config,
    password: Option<Secret>,
    query: String,
    columns: usize,
    key_column: String,
    timeout: Duration,
    session: Mutex<Option<Arc<Session>>>,
    /// One connection is made at a time.
    connecting: tokio::sync::Mutex<()>,
}

/// A connection and the query, prepared on it.
struct Session {
    client: Client,
    statement: Statement,
    keys: KeyType,
    _connection: Connection,
}

/// The task that moves a connection's bytes. It ends with its session: left alone it would wait
/// for a server that no longer answers.
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How keys are written to the column's type.
#[derive(Clone, Copy)]
enum KeyType {
    Text,
    Int2,
    Int4,
    Int8,
}

impl PostgresSource {
    /// A source that connects when it is first asked.
    ///
    /// # Errors
    /// [`FactError::Setting`] for settings that cannot work, naming the one at fault.
    pub fn new(settings: PostgresSettings) -> Result<Self, FactError> {
        let config = config(&settings)?;
        check_columns(&settings)?;
        Ok(Self {
            query: query(&settings),
            columns: settings.columns.len(),
            key_column: settings.key_column,
            timeout: settings.timeout,
            password: settings.password,
            config,
            session: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
        })
    }

    fn session(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_session(&self) -> Option<Arc<Session>> {
        self.session().clone().filter(|session| !session.client.is_closed())
    }

    /// The connection, made if there is none.
    async fn connected(&self) -> Result<Arc<Session>, FactError> {
        if let Some(session) = self.open_session() {
            return Ok(session);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(session) = self.open_session() {
            return Ok(session);
        }
        let session = Arc::new(self.connect().await?);
        *self.session() = Some(session.clone());
        Ok(session)
    }

    async fn connect(&self) -> Result<Session, FactError> {
        let mut config = self.config.clone();
        if let Some(password) = &self.password {
            config.password(password.read()?);
        }
        let (client, connection) = dial(&config).await?;
        client.batch_execute(&settings_of_a_session(self.timeout)).await.map_err(failure)?;
        let statement = client.prepare(&self.query).await.map_err(failure)?;
        let keys = key_type(statement.params(), &self.key_column)?;
        Ok(Session { client, statement, keys, _connection: connection })
    }

    /// Makes sure that a later load does not use this connection.
    fn forget(&self, session: &Arc<Session>) {
        let mut current = self.session();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            *current = None;
        }
    }

    async fn ask(&self, keys: &[FactKey]) -> Result<Vec<Answer>, FactError> {
        let session = self.connected().await?;
        // A load whose time is up is dropped right here: then nobody knows whether the
        // connection will ever answer again.
        let mut doubt = Doubt { source: self, session: Some(session.clone()) };
        let asked = session.keys.array(keys);
        let result = session.client.query(&session.statement, &[&*asked]).await;
        let rows = match result {
            Ok(rows) => rows,
            Err(error) => {
                // Cancelled by statement_timeout: the connection itself is well.
                if error.code() == Some(&SqlState::QUERY_CANCELED) {
                    doubt.session = None;
                    return Err(FactError::Timeout(self.timeout));
                }
                return Err(failure(error));
            }
        };
        doubt.session = None;
        let mut found = self.found(&rows)?;
        let answer = |key: &FactKey| match found.remove(&*session.keys.canonical(key)) {
            Some(row) => Answer::Found(row),
            None => Answer::Absent,
        };
        Ok(keys.iter().map(answer).collect())
    }

    /// The rows by key. Of several rows under one key the first in the order of their texts is
    /// taken, so that it is the same each time.
    fn found(&self, rows: &[Row]) -> Result<HashMap<String, FactRow>, FactError> {
        let mut texts: HashMap<String, String> = HashMap::with_capacity(rows.len());
        for row in rows {
            let key: String = row.try_get(0).map_err(failure)?;
            let text: String = row.try_get(1).map_err(failure)?;
            let kept = texts.entry(key).or_insert_with(|| text.clone());
            if text < *kept {
                *kept = text;
            }
        }
        let rows = texts.into_iter().map(|(key, text)| {
            let values: Vec<Value> = serde_json::from_str(&text)
                .map_err(|error| FactError::Malformed(error.to_string()))?;
            if values.len() != self.columns {
                return Err(FactError::Malformed(format!("{} columns", values.len())));
            }
            Ok((key, values.iter().map(fact_value).collect()))
        });
        rows.collect()
    }
}

impl FactSource for PostgresSource {
    fn max_keys(&self) -> usize {
        MAX_KEYS
    }

    fn load<'a>(&'a self, keys: &'a [FactKey]) -> Load<'a> {
        Box::pin(self.ask(keys))
    }
}

/// Gives a connection up when a load ends without saying that it is well.
struct Doubt<'a> {
    source: &'a PostgresSource,
    session: Option<Arc<Session>>,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            self.source.forget(session);
        }
    }
}

impl KeyType {
    /// The keys as the query's parameter. What is no number is under no integer key.
    fn array(self, keys: &[FactKey]) -> Box<dyn ToSql + Sync + Send> {
        fn parsed<T: FromStr>(keys: &[FactKey]) -> Vec<T> {
            keys.iter().filter_map(|key| key.parse().ok()).collect()
        }
        match self {
            Self::Text => Box::new(keys.iter().map(|key| key.to_string()).collect::<Vec<_>>()),
            Self::Int2 => Box::new(parsed::<i16>(keys)),
            Self::Int4 => Box::new(parsed::<i32>(keys)),
            Self::Int8 => Box::new(parsed::<i64>(keys)),
        }
    }

    /// The key as PostgreSQL writes it.
    fn canonical(self, key: &FactKey) -> String {
        match self {
            Self::Text => key.to_string(),
            Self::Int2 | Self::Int4 | Self::Int8 => {
                key.parse::<i64>().map_or_else(|_| key.to_string(), |number| number.to_string())
            }
        }
    }
}

fn key_type(params: &[Type], column: &str) -> Result<KeyType, FactError> {
    match params {
        [Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY] => Ok(KeyType::Text),
        [Type::INT2_ARRAY] => Ok(KeyType::Int2),
        [Type::INT4_ARRAY] => Ok(KeyType::Int4),
        [Type::INT8_ARRAY] => Ok(KeyType::Int8),
        other => Err(FactError::Setting {
            setting: "key_column",
            reason: format!(
                "{column} makes a parameter of type {}, expected a text or an integer column: \
                 use a view that casts it",
                other.first().map_or("none", |kind| kind.name())
            ),
        }),
    }
}

fn config(settings: &PostgresSettings) -> Result<Config, FactError> {
    let wrong = |reason: String| FactError::Setting { setting: "url", reason };
    let mut config: Config = settings.url.parse().map_err(|_| {
        wrong("expected postgresql://user@host:port/database?sslmode=disable|prefer|require".into())
    })?;
    if config.get_password().is_some() {
        return Err(wrong("holds a password: use password_file or password_env".into()));
    }
    if config.get_user().is_none() || config.get_hosts().is_empty() {
        return Err(wrong("lacks the user or the host: postgresql://user@host/database".into()));
    }
    if config.get_ssl_mode() == SslMode::Require && !cfg!(feature = "tls") {
        return Err(wrong(
            "asks for TLS, which this build lacks: build with the feature tls".into(),
        ));
    }
    config.connect_timeout(settings.timeout);
    if config.get_application_name().is_none() {
        config.application_name("homestream");
    }
    Ok(config)
}

fn check_columns(settings: &PostgresSettings) -> Result<(), FactError> {
    let count = settings.columns.len();
    if (1..=MAX_COLUMNS).contains(&count) {
        return Ok(());
    }
    Err(FactError::Setting {
        setting: "fields and attributes",
        reason: format!("{count} columns, expected 1 to {MAX_COLUMNS}"),
    })
}

/// Every type becomes JSON in the server: numbers keep their digits, dates become texts.
fn query(settings: &PostgresSettings) -> String {
    let key = quoted(&settings.key_column);
    let table: Vec<String> = settings.table.split('.').map(quoted).collect();
    let columns: Vec<String> = settings.columns.iter().map(|column| quoted(column)).collect();
    format!(
        "SELECT {key}::text, json_build_array({})::text FROM {} WHERE {key} = ANY($1)",
        columns.join(", "),
        table.join("."),
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.trim().replace('"', "\"\""))
}

/// The server gives up before we do, so that a slow query does not cost the connection.
fn settings_of_a_session(timeout: Duration) -> String {
    let ms = timeout.as_millis();
    let statement_timeout = (ms - ms / 10).max(1);
    format!("SET statement_timeout = {statement_timeout}; SET default_transaction_read_only = on")
}

async fn dial(config: &Config) -> Result<(Client, Connection), FactError> {
    #[cfg(feature = "tls")]
    let tls = {
        let connector = native_tls::TlsConnector::new()
            .map_err(|error| FactError::Unreachable(format!("TLS cannot be set up: {error}")))?;
        postgres_native_tls::MakeTlsConnector::new(connector)
    };
    #[cfg(not(feature = "tls"))]
    let tls = tokio_postgres::NoTls;
    let (client, connection) = config.connect(tls).await.map_err(failure)?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to PostgreSQL ended");
        }
    });
    Ok((client, Connection(task.abort_handle())))
}

/// What PostgreSQL said, without what it was sent.
fn failure(error: tokio_postgres::Error) -> FactError {
    match error.as_db_error() {
        // Class 57: shutting down, starting up. Class 53: out of connections or memory.
        Some(db) if db.code().code().starts_with("57") || db.code().code().starts_with("53") => {
            FactError::Unreachable(format!("{} ({})", db.message(), db.code().code()))
        }
        Some(db) => FactError::Refused(format!("{} ({})", db.message(), db.code().code())),
        None => FactError::Unreachable(with_cause(&error)),
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> PostgresSettings {
        PostgresSettings {
            url: url.into(),
            password: None,
            table: "gis.parcels".into(),
            key_column: "parcel \"id\"".into(),
            columns: vec!["zone".into(), "depth".into()],
            timeout: Duration::from_millis(1_000),
        }
    }

    #[test]
    fn names_are_quoted_and_values_become_json() {
        assert_eq!(
            query(&settings("")),
            "SELECT \"parcel \"\"id\"\"\"::text, json_build_array(\"zone\", \"depth\")::text \
             FROM \"gis\".\"parcels\" WHERE \"parcel \"\"id\"\"\" = ANY($1)"
        );
    }

    #[test]
    fn a_url_that_cannot_work_is_refused_and_its_password_not_told() {
        let refused = |url: &str| PostgresSource::new(settings(url)).err().map(|e| e.to_string());
        let told = refused("postgresql://reader:hunter2@db/gis").unwrap();
        assert!(told.starts_with("url: holds a password: use password_file"), "{told}");
        let told = refused("postgresql://reader:hunter2@db:port/gis").unwrap();
        assert!(!told.contains("hunter2"), "{told}");
        assert!(refused("postgresql://db/gis").unwrap().contains("lacks the user"));
        assert_eq!(refused("postgresql://reader@db/gis"), None);
        let tls = refused("postgresql://reader@db/gis?sslmode=require");
        assert_eq!(tls.is_none(), cfg!(feature = "tls"), "{tls:?}");
    }

    #[test]
    fn too_many_columns_are_refused() {
        let mut settings = settings("postgresql://reader@db/gis");
        settings.columns = vec!["c".into(); 65];
        let told = PostgresSource::new(settings).err().unwrap().to_string();
        assert!(told.contains("65 columns, expected 1 to 64"), "{told}");
    }

    #[test]
    fn the_server_gives_up_before_we_do() {
        assert!(settings_of_a_session(Duration::from_millis(1_000)).contains("= 900;"));
        assert!(settings_of_a_session(Duration::from_millis(1)).contains("= 1;"));
    }
}
