//! PostgreSQL: for an office whose databases are operated centrally, or that has outgrown one machine's disk.
//!
//! The writer holds a session-level advisory lock, and each of its transactions runs in the session that holds it. So
//! neither a second server can write, nor a first one whose session was lost: the lock is the fencing token.
//! The client blocks: no function of this module may run on a thread of an async runtime.

mod name;
mod tls;

pub(super) use name::name;

use super::{
    StoreError,
    database::{Access, Database, Statements},
    schema,
    value::{Row, Value},
};
use postgres::{
    Client, Config, IsolationLevel, Statement, Transaction,
    config::{Host, SslMode},
    error::SqlState,
    types::{IsNull, ToSql, Type, to_sql_checked},
};
use std::{collections::HashMap, error::Error as _, net::IpAddr, time::Duration};

/// First half of the advisory lock's key; the second is the schema, so that several offices may share a database.
const LOCK_CLASS: i32 = 0x7e1c_0001;
/// Timeout of connecting, and of unacknowledged data.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(10);
/// Settings of each session. A statement that exceeds the timeout is a fault; the session of a dead client, and with it
/// the lock, ends within half a minute.
const SESSION: &str = "SET statement_timeout = '60s'; SET lock_timeout = '10s'; SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET client_min_messages = warning;";

/// A connection that is re-established when it was lost.
pub(super) struct Postgres {
    config: Config,
    writer: bool,
    session: Option<Session>,
}

/// One session of the server.
struct Session {
    /// `None` only during drop.
    client: Option<Client>,
    prepared: HashMap<String, Statement>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Dropping a client waits for its connection to close, which must not happen on a thread of an async runtime.
        let client = self.client.take();
        if tokio::runtime::Handle::try_current().is_ok() {
            std::thread::spawn(move || drop(client));
        }
    }
}

/// Connects to the database at `url` for its only writer, and migrates its schema.
pub(super) fn writer(url: &str) -> Result<Postgres, StoreError> {
    let mut this = Postgres { config: config(url)?, writer: true, session: None };
    this.transaction(Access::Write, schema::upgrade_postgres)?;
    Ok(this)
}

/// Connects to the database at `url` for reading. Its writer must have created it.
pub(super) fn reader(url: &str) -> Result<Postgres, StoreError> {
    let mut this = Postgres { config: config(url)?, writer: false, session: None };
    let known = schema::VERSION;
    match this.transaction(Access::Read, schema::postgres_version)? {
        Some(found) if found == known => Ok(this),
        Some(found) if found > known => Err(StoreError::Newer { found, known }),
        _ => Err(StoreError::Location(
            "the PostgreSQL database has no tables: start the server once, which creates them".into(),
        )),
    }
}

fn config(url: &str) -> Result<Config, StoreError> {
    let mut config: Config = url.parse().map_err(|error: postgres::Error| {
        StoreError::Location(format!(
            "the location of the PostgreSQL database is not a postgres:// URL: {}",
            chain(&error)
        ))
    })?;
    if config.get_password().is_none()
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        config.password(password);
    }
    if !config.get_hosts().iter().all(is_local) {
        // The database contains who calls whom: never unencrypted over a network.
        config.ssl_mode(SslMode::Require);
    }
    if config.get_application_name().is_none() {
        config.application_name("telcon");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(NETWORK_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(NETWORK_TIMEOUT);
    }
    config.keepalives_idle(NETWORK_TIMEOUT);
    Ok(config)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|addr| addr.is_loopback()),
        Host::Unix(_) => true,
    }
}

impl Postgres {
    fn connect(&self) -> Result<Session, StoreError> {
        // There is no TLS over a Unix socket, and no host name to verify.
        let only_unix = self.config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let mut client = match only_unix && !self.config.get_hosts().is_empty() {
            true => self.config.connect(postgres::NoTls).map_err(failed)?,
            false => self.config.connect(tls::connector()?).map_err(failed)?,
        };
        client.batch_execute(SESSION).map_err(failed)?;
        if self.writer {
            let key = "SELECT pg_try_advisory_lock($1, hashtext(current_schema()))";
            if !client.query_one(key, &[&LOCK_CLASS]).and_then(|row| row.try_get(0)).map_err(failed)? {
                return Err(StoreError::InUse);
            }
            // An acknowledged transaction must survive a power failure, whatever the server's default is.
            let setting = client.query_one("SELECT current_setting('synchronous_commit')", &[]);
            if setting.and_then(|row| row.try_get::<_, String>(0)).map_err(failed)? == "off" {
                client.batch_execute("SET synchronous_commit = on").map_err(failed)?;
            }
        }
        Ok(Session { client: Some(client), prepared: HashMap::new() })
    }
}

impl Database for Postgres {
    fn transaction<T>(
        &mut self,
        access: Access,
        body: impl FnOnce(&mut dyn Statements) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.session.as_ref().is_none_or(|s| s.client.as_ref().is_none_or(Client::is_closed)) {
            self.session = None;
            self.session = Some(self.connect()?);
        }
        let Some(Session { client: Some(client), prepared }) = &mut self.session else {
            return Err(StoreError::Database("no connection".into()));
        };
        let done = (|| {
            let (level, read_only) = match access {
                Access::Read => (IsolationLevel::RepeatableRead, true),
                // Read committed suffices, because there is only one writer.
                Access::Write => (IsolationLevel::ReadCommitted, false),
            };
            let builder = client.build_transaction().isolation_level(level).read_only(read_only);
            let mut transaction = InTransaction { transaction: builder.start().map_err(failed)?, prepared };
            let done = body(&mut transaction)?;
            transaction.transaction.commit().map_err(failed)?;
            Ok(done)
        })();
        if matches!(done, Err(StoreError::Database(_) | StoreError::Full(_))) {
            // The session's state is unknown, so the next transaction uses a new session.
            self.session = None;
        }
        done
    }
}

struct InTransaction<'a> {
    transaction: Transaction<'a>,
    prepared: &'a mut HashMap<String, Statement>,
}

impl InTransaction<'_> {
    fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.transaction.prepare(sql).map_err(failed)?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Statements for InTransaction<'_> {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql)?;
        self.transaction.execute(&statement, &parameters(values)).map_err(failed)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let rows = self.transaction.query(&statement, &parameters(values)).map_err(failed)?;
        rows.iter()
            .map(|row| (0..row.len()).map(|column| value(row, column)).collect::<Result<_, _>>().map(Row))
            .collect()
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.transaction.batch_execute(sql).map_err(failed)
    }
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn value(row: &postgres::Row, column: usize) -> Result<Value, StoreError> {
    let ty = row.columns()[column].type_();
    Ok(if *ty == Type::INT8 {
        row.try_get::<_, Option<i64>>(column).map_err(failed)?.map_or(Value::Null, Value::Int)
    } else if *ty == Type::INT4 {
        row.try_get::<_, Option<i32>>(column).map_err(failed)?.map_or(Value::Null, |v| Value::Int(v.into()))
    } else if *ty == Type::BYTEA {
        row.try_get::<_, Option<Vec<u8>>>(column).map_err(failed)?.map_or(Value::Null, Value::Bytes)
    } else {
        row.try_get::<_, Option<String>>(column).map_err(failed)?.map_or(Value::Null, Value::Text)
    })
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut bytes::BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            // A literal beside the parameter gives it this type.
            Self::Int(value) if *ty == Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Text(value) => value.to_sql(ty, out),
            Self::Bytes(value) => value.as_slice().to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // The schema uses only these types.
        true
    }

    to_sql_checked!();
}

fn failed(error: postgres::Error) -> StoreError {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        return StoreError::Conflict(chain(&error));
    }
    if error.code() == Some(&SqlState::DISK_FULL) {
        return StoreError::Full("the PostgreSQL database".to_owned());
    }
    StoreError::Database(chain(&error))
}

/// An error with its causes. The detail field of server errors is omitted, because it quotes rows.
fn chain(error: &postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
