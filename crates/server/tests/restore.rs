//! A database of an older backup, started with the newest log and archive: what happened after the backup stays in force.

mod common;
mod peers;

use common::{Client, Device, Office, now_ms};
use peers::PostgresServer;
use std::{
    fs,
    path::{Path, PathBuf},
};
use telcon_identity::{Invitation, Registrar};
use telcon_proto::{
    Blob, ClientMessage as C, Role, ServerMessage as S,
    http::{AppointRequest, OrderRequest, Orders, RevokeRequest},
    message::RefusalCode,
};
use telcon_server::{ServerConfig, store::StoreLocation};

/// A database on disk that is backed up and restored as an operator does it.
enum Database {
    Sqlite(PathBuf),
    Postgres(PostgresServer),
}

impl Database {
    fn location(&self) -> StoreLocation {
        match self {
            Self::Sqlite(path) => StoreLocation::Sqlite(path.clone()),
            Self::Postgres(server) => StoreLocation::Postgres(server.url("office")),
        }
    }

    /// Copies the database of a stopped server.
    fn back_up(&self, n: usize) {
        match self {
            Self::Sqlite(path) => {
                let to = path.with_extension(format!("backup{n}"));
                // As `sqlite3 telcon.db ".backup …"` does, with what is in the write-ahead log.
                let database = rusqlite::Connection::open(path).unwrap();
                database.execute("VACUUM INTO $1", [to.to_str().unwrap()]).unwrap();
            }
            Self::Postgres(server) => sql(server, &[&format!("CREATE DATABASE backup{n} TEMPLATE office")]),
        }
    }

    fn restore(&self, n: usize) {
        match self {
            Self::Sqlite(path) => {
                for suffix in ["db-wal", "db-shm"] {
                    let _ = fs::remove_file(path.with_extension(suffix));
                }
                fs::copy(path.with_extension(format!("backup{n}")), path).unwrap();
            }
            Self::Postgres(server) => {
                let copy = format!("CREATE DATABASE office TEMPLATE backup{n}");
                sql(server, &["DROP DATABASE office WITH (FORCE)", &copy]);
            }
        }
    }
}

fn sql(server: &PostgresServer, statements: &[&str]) {
    let mut client = postgres::Client::connect(&server.url("postgres"), postgres::NoTls).unwrap();
    statements.iter().for_each(|statement| client.batch_execute(statement).unwrap());
}

/// Runs blocking work of a test off the runtime.
async fn blocking(database: &std::sync::Arc<Database>, work: impl FnOnce(&Database) + Send + 'static) {
    let database = database.clone();
    tokio::task::spawn_blocking(move || work(&database)).await.unwrap();
}

/// A device with the link that enrolled it.
struct Enrolled {
    device: Device,
    link: Invitation,
}

async fn enrol(office: &Office) -> Enrolled {
    let card = office.card(Role::Principal);
    let link = office.invite(card.clone(), now_ms());
    let device = office.device(card, &link, now_ms());
    let answer = office.post("/api/v1/devices", &device.enrol_request()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    Enrolled { device, link }
}

/// The answer to a device that proves its key.
async fn sign_in(office: &Office, device: &Device) -> S {
    let mut client = Client::raw(office.addr(), None).await.unwrap();
    client.prove(device, common::DOMAIN).await;
    client.next().await.expect("an answer")
}

async fn assert_link_is_used(office: &Office, enrolled: &Enrolled, what: &str) {
    let another = office.device(enrolled.device.card.clone(), &enrolled.link, now_ms());
    let answer = office.post("/api/v1/devices", &another.enrol_request()).await;
    assert_eq!(answer.status, 410, "{what}: {}", answer.text());
}

const GROUPS: [&str; 2] = ["devices", "issuers"];

fn copy_certificates(from: &Path, to: &Path) {
    for group in GROUPS {
        let _ = fs::remove_dir_all(to.join(group));
        fs::create_dir_all(to.join(group)).unwrap();
        for file in fs::read_dir(from.join(group)).unwrap().flatten() {
            fs::copy(file.path(), to.join(group).join(file.file_name())).unwrap();
        }
    }
}

async fn an_old_database_forgets_neither_devices_nor_revocations_nor_links(database: Database) {
    let database = std::sync::Arc::new(database);
    let mut office = Office::start().await;
    office.stop().await;
    let data = office.dir.path().join("server");
    let config = ServerConfig { store: database.location(), ..ServerConfig::local(&data) };
    let (archive, saved) = (data.join("archive"), office.dir.path().join("saved"));

    // A backup after each step.
    office.run_as(config.clone()).await;
    let first = enrol(&office).await;
    office.stop().await;
    blocking(&database, |database| database.back_up(0)).await;

    office.run_as(config.clone()).await;
    let revoked = enrol(&office).await;
    office.stop().await;
    blocking(&database, |database| database.back_up(1)).await;

    office.run_as(config.clone()).await;
    let kept = enrol(&office).await;
    office.stop().await;
    blocking(&database, |database| database.back_up(2)).await;

    office.run_as(config.clone()).await;
    let jws = office.authority.revoke(revoked.device.id, now_ms()).unwrap();
    let answer = office.post("/api/v1/revocations", &serde_json::to_vec(&RevokeRequest { jws }).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    office.stop().await;
    blocking(&database, |database| database.back_up(3)).await;

    office.run_as(config.clone()).await;
    let newest = enrol(&office).await;
    office.stop().await;
    copy_certificates(&archive, &saved);

    for backup in 0..=3 {
        for certificates_are_there in [true, false] {
            let what = format!("backup {backup}, certificates in the archive: {certificates_are_there}");
            blocking(&database, move |database| database.restore(backup)).await;
            copy_certificates(&saved, &archive);
            if !certificates_are_there {
                GROUPS.iter().for_each(|group| fs::remove_dir_all(archive.join(group)).unwrap());
            }
            // The second start finds nothing to do.
            for start in 1..=2 {
                office.run_as(config.clone()).await;
                let what = format!("{what}, start {start}");
                assert!(matches!(sign_in(&office, &first.device).await, S::SignedIn { .. }), "{what}");
                let answer = sign_in(&office, &revoked.device).await;
                assert!(matches!(answer, S::Revoked { .. }), "{what}: {answer:?}");
                for (device, enrolled_after) in [(&kept.device, 2), (&newest.device, 4)] {
                    let answer = sign_in(&office, device).await;
                    if certificates_are_there || backup >= enrolled_after {
                        assert!(matches!(answer, S::SignedIn { .. }), "{what}: {answer:?}");
                        continue;
                    }
                    let S::Refused { code: RefusalCode::NotSignedIn, message, .. } = answer else {
                        panic!("{what}: {answer:?}")
                    };
                    assert!(message.contains("restored from a backup") && message.contains("link"), "{message}");
                }
                for enrolled in [&first, &revoked, &kept, &newest] {
                    assert_link_is_used(&office, enrolled, &what).await;
                }
                office.stop().await;
            }
            // The certificates are put back later: the devices work again, and the revoked one stays revoked.
            copy_certificates(&saved, &archive);
            office.run_as(config.clone()).await;
            for enrolled in [&first, &kept, &newest] {
                assert!(matches!(sign_in(&office, &enrolled.device).await, S::SignedIn { .. }), "{what}");
            }
            assert!(matches!(sign_in(&office, &revoked.device).await, S::Revoked { .. }), "{what}");
            assert_link_is_used(&office, &newest, &what).await;
            office.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_sqlite_database_forgets_neither_devices_nor_revocations_nor_links() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(dir.path().join("office.db"));
    an_old_database_forgets_neither_devices_nor_revocations_nor_links(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_postgres_database_forgets_neither_devices_nor_revocations_nor_links() {
    let server = tokio::task::spawn_blocking(|| {
        let server = PostgresServer::start();
        server.create_database("office");
        server
    });
    let database = Database::Postgres(server.await.unwrap());
    an_old_database_forgets_neither_devices_nor_revocations_nor_links(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_device_can_be_revoked_and_its_id_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let database = std::sync::Arc::new(Database::Sqlite(dir.path().join("office.db")));
    let mut office = Office::start().await;
    office.stop().await;
    let data = office.dir.path().join("server");
    let config = ServerConfig { store: database.location(), ..ServerConfig::local(&data) };
    office.run_as(config.clone()).await;
    let _first = enrol(&office).await;
    office.stop().await;
    database.back_up(0);
    office.run_as(config.clone()).await;
    let lost = enrol(&office).await;
    office.stop().await;
    database.restore(0);
    GROUPS.iter().for_each(|group| fs::remove_dir_all(data.join("archive").join(group)).unwrap());

    office.run_as(config.clone()).await;
    // Another link, the same device id.
    let link = office.invite(lost.device.card.clone(), now_ms());
    let (key, chain) = link.enrol(&[250; 32], lost.device.id, now_ms()).unwrap();
    let same_id = Device { key, chain, id: lost.device.id, card: lost.device.card.clone() };
    assert_eq!(office.post("/api/v1/devices", &same_id.enrol_request()).await.status, 409);
    let jws = office.authority.revoke(lost.device.id, now_ms()).unwrap();
    let request = serde_json::to_vec(&RevokeRequest { jws }).unwrap();
    assert_eq!(office.post("/api/v1/revocations", &request).await.status, 200);
    assert_eq!(office.post("/api/v1/revocations", &request).await.status, 409);
    assert!(matches!(sign_in(&office, &lost.device).await, S::Revoked { jws: Some(_) }));
    office.stop().await;
    office.run_as(config).await;
    assert!(matches!(sign_in(&office, &lost.device).await, S::Revoked { jws: Some(_) }), "after a restart too");
    office.stop().await;
}

/// A registrar's device revoked a device after the backup.
struct Ordered {
    office: Office,
    config: ServerConfig,
    database: Database,
    lost: Device,
    order: String,
    /// Where the archive's certificates are kept.
    saved: PathBuf,
    _dir: tempfile::TempDir,
}

impl Ordered {
    /// With backup 0 from before the registrar was appointed, and backup 1 from after that.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(dir.path().join("office.db"));
        let mut office = Office::start().await;
        office.stop().await;
        let data = office.dir.path().join("server");
        let config = ServerConfig { store: database.location(), ..ServerConfig::local(&data) };
        office.run_as(config.clone()).await;
        let (officer, lost) = (office.person(Role::SecurityOfficer).await, office.person(Role::Principal).await);
        office.stop().await;
        database.back_up(0);
        office.run_as(config.clone()).await;
        let verified = office.anchor.verify_chain(&officer.chain, now_ms()).unwrap();
        let der = office.authority.appoint(&verified, &[Role::Principal], now_ms()).unwrap();
        let body = serde_json::to_vec(&AppointRequest { certificate: Blob(der.clone()) }).unwrap();
        assert_eq!(office.post("/api/v1/registrars", &body).await.status, 200);
        let registrar: Registrar = office.anchor.verify_registrar(&der, now_ms()).unwrap();
        office.stop().await;
        database.back_up(1);
        office.run_as(config.clone()).await;
        let order = registrar.revoke_and_erase(&officer.key, lost.id, now_ms()).unwrap();
        let (mut client, mut old) =
            (Client::sign_in(office.addr(), &officer).await, Client::sign_in(office.addr(), &lost).await);
        client.send(&C::RevokeDevice { statement: order.clone() }).await;
        let told = old.until(|message| if let S::Revoked { jws } = message { Some(jws) } else { None });
        assert_eq!(told.await.as_ref(), Some(&order));
        drop((client, old));
        // The log has it when the server has stopped.
        office.stop().await;
        let saved = office.dir.path().join("saved");
        copy_certificates(&data.join("archive"), &saved);
        Self { office, config, database, lost, order, saved, _dir: dir }
    }

    async fn start_from(&mut self, backup: usize, certificates: &[&str]) {
        self.database.restore(backup);
        self.start(certificates).await;
    }

    async fn start(&mut self, certificates: &[&str]) {
        let archive = self.office.dir.path().join("server/archive");
        copy_certificates(&self.saved, &archive);
        for group in GROUPS.iter().filter(|group| !certificates.contains(group)) {
            fs::remove_dir_all(archive.join(group)).unwrap();
        }
        self.office.run_as(self.config.clone()).await;
    }

    /// What the device is told, with and without signing in.
    async fn told(&self) -> Option<String> {
        let request = OrderRequest { device: self.lost.id, certificate: Blob(self.lost.chain[0].clone()) };
        let answer = self.office.post("/api/v1/orders", &serde_json::to_vec(&request).unwrap()).await;
        let S::Revoked { jws } = sign_in(&self.office, &self.lost).await else { panic!("it can sign in") };
        assert_eq!(answer.json::<Orders>().revocation, jws);
        jws
    }

    fn erases(&self, order: &str) -> bool {
        self.office.anchor.verify_revocation(order).unwrap().erases()
    }
}

/// The log has it without the registrar's certificate, which names a person.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_a_registrar_that_a_restored_database_lacks_is_one_that_the_device_accepts() {
    let mut ordered = Ordered::new().await;
    // Of backup 1 the certificate is in the database itself, of backup 0 in the archive alone.
    for (backup, groups) in [(0, &GROUPS[..]), (1, &GROUPS[..]), (1, &["devices"])] {
        ordered.start_from(backup, groups).await;
        assert_eq!(ordered.told().await, Some(ordered.order.clone()), "backup {backup}, {groups:?}");
        ordered.office.stop().await;
    }
    // The archive is restored after the database.
    ordered.start_from(0, &["devices"]).await;
    assert_eq!(ordered.told().await, None, "nothing that it would not accept");
    ordered.office.stop().await;
    ordered.start(&GROUPS).await;
    assert_eq!(ordered.told().await, Some(ordered.order.clone()));
    ordered.office.stop().await;
    // What an earlier version made of a restored database.
    let Database::Sqlite(path) = &ordered.database else { unreachable!("invariant: made above") };
    let without = telcon_identity::without_certificate(&ordered.order);
    rusqlite::Connection::open(path)
        .unwrap()
        .execute("UPDATE devices SET revocation = $1 WHERE revoked_ms IS NOT NULL", [without])
        .unwrap();
    ordered.start(&GROUPS).await;
    assert_eq!(ordered.told().await, Some(ordered.order.clone()));
    ordered.office.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_certificate_is_nowhere_is_given_again() {
    for erases in [false, true] {
        let mut ordered = Ordered::new().await;
        ordered.start_from(0, &["devices"]).await;
        assert_eq!(ordered.told().await, None);
        let give = |order: String| serde_json::to_vec(&RevokeRequest { jws: order }).unwrap();
        let id = ordered.lost.id;
        let authority = &ordered.office.authority;
        let plain = authority.revoke(id, now_ms()).unwrap();
        let order = authority.revoke_and_erase(id, now_ms()).unwrap();
        let statements = if erases { vec![order] } else { vec![plain, order] };
        for statement in &statements {
            let answer = ordered.office.post("/api/v1/revocations", &give(statement.clone())).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(ordered.told().await.as_ref(), Some(statement));
            assert_eq!(ordered.office.post("/api/v1/revocations", &give(statement.clone())).await.status, 409, "once");
        }
        for _ in 0..2 {
            ordered.office.stop().await;
            ordered.start(&["devices"]).await;
            let told = ordered.told().await.unwrap();
            assert!(told == *statements.last().unwrap() && ordered.erases(&told), "after a restart too");
        }
        ordered.office.stop().await;
    }
}

/// The operator stops the server and copies the database, and nothing beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_orderly_stop_the_database_is_in_one_file() {
    let mut office = Office::start().await;
    let kept = enrol(&office).await;
    office.stop().await;
    let data = office.dir.path().join("server");
    let copy = office.dir.path().join("copy.db");
    fs::copy(data.join("telcon.db"), &copy).unwrap();
    let devices: u64 = rusqlite::Connection::open(&copy)
        .unwrap()
        .query_row("SELECT COUNT(*) FROM devices", [], |row| row.get(0))
        .unwrap();
    assert_eq!(devices, 1);
    let _ = fs::remove_file(data.join("telcon.db-wal"));
    let _ = fs::remove_file(data.join("telcon.db-shm"));
    office.run().await;
    assert!(matches!(sign_in(&office, &kept.device).await, S::SignedIn { .. }));
    office.stop().await;
}
