//! Databases and data directories written by earlier versions are upgraded and remain usable.

use std::{path::Path, process::Command};
use telcon_proto::{CallId, DeviceId, Digest, Ended, OfficeName, Role};
use telcon_server::{
    Server, ServerConfig,
    store::{Stage, StoreLocation},
};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn database_of_version(version: u32, dir: &Path) -> StoreLocation {
    let path = dir.join("telcon.db");
    let sql = std::fs::read_to_string(fixture(&format!("store-v{version}.sql"))).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
    StoreLocation::Sqlite(path)
}

fn home() -> OfficeName {
    OfficeName::parse("office.example").unwrap()
}

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

fn call(n: u8) -> CallId {
    CallId::from_bytes([n; 16])
}

#[test]
fn databases_of_earlier_versions_are_upgraded_without_loss() {
    for version in [1, 2, 3, 5] {
        let dir = tempfile::tempdir().unwrap();
        let location = database_of_version(version, dir.path());
        let mut store = location.writer(&home()).unwrap();
        let found = store.load().unwrap();
        let devices: Vec<_> = found.devices.iter().map(|row| (row.device, row.card.role, row.log_index)).collect();
        let expected = [
            (device(1), Role::Principal, Some(0)),
            (device(2), Role::Counterpart, Some(1)),
            (device(5), Role::NoteTaker, Some(4)),
        ];
        assert_eq!(devices, expected, "version {version}");
        // Cards of these versions name no office: they belong to the home office.
        assert!(found.devices.iter().all(|row| row.card.office == home()));
        // Devices of versions before 11 are found by their person.
        let reader = location.reader(&home()).unwrap();
        for row in &found.devices {
            let own: Vec<_> = reader.listed_devices(Some(row.card.person)).unwrap();
            assert_eq!(own.iter().map(|own| own.device).collect::<Vec<_>>(), [row.device], "version {version}");
        }
        let [live] = &found.active[..] else { panic!("{version}: {found:?}") };
        assert_eq!((live.row.call, live.row.stage, live.row.epoch), (call(0xc3), Stage::Live, 1));
        assert_eq!(live.members, [device(1), device(2), device(5)]);
        assert_eq!((&live.row.from.office, &live.row.to.office), (&home(), &home()));
        assert_eq!((live.handshakes.len(), live.asks.len()), (1, 1));
        // One call's record is stored; the other's is still awaited.
        assert_eq!(found.unfinished.iter().map(|unfinished| unfinished.row.call).collect::<Vec<_>>(), [call(0xc2)]);
        assert_eq!(found.unfinished[0].row.how, Some(Ended::HungUp));
        let calls = reader.calls(None, None, 9).unwrap().unwrap();
        let records: Vec<_> = calls.iter().map(|call| reader.record(&call.call).unwrap().unwrap().0).collect();
        let kept: Vec<_> = records.iter().flat_map(|stored| &stored.records).collect();
        let of_caller = reader.calls(Some(live.row.from.person), None, 9).unwrap().unwrap();
        assert!(of_caller.iter().any(|call| call.call == live.row.call), "version {version}: {of_caller:?}");
        let [record] = kept[..] else { panic!("{version}: {kept:?}") };
        assert_eq!(
            (record.call, record.device, record.digest, record.log_index),
            (call(0xc1), None, Digest::from_bytes([5; 32]), 22)
        );
        let position = store.log_position().unwrap();
        // The log is read again: version 1 did not store which records are partial, and none looked for lost devices.
        assert_eq!((position.seen, position.reread), (5, true), "version {version}");
        drop(store);
        assert_eq!(location.writer(&home()).unwrap().load().unwrap(), found, "a second start changes nothing");
    }
}

#[tokio::test]
async fn an_office_of_version_0_1_0_is_upgraded_by_starting_it() {
    let dir = tempfile::tempdir().unwrap();
    let unpack = Command::new("tar").arg("-xzf").arg(fixture("office-0.1.0.tar.gz")).arg("-C").arg(dir.path()).status();
    assert!(unpack.unwrap().success());
    let data = dir.path().join("server");
    let running = Server::start(ServerConfig::local(&data)).await.unwrap();
    assert_eq!(running.office.domain, "office.example");
    let location = StoreLocation::default_in(&data);
    let (devices, records) = tokio::task::spawn_blocking(move || {
        let reader = location.reader(&home()).unwrap();
        let calls = reader.calls(None, None, 9).unwrap().unwrap();
        let records: Vec<_> = calls.iter().map(|call| reader.record(&call.call).unwrap().unwrap().0).collect();
        (reader.devices().unwrap(), records)
    })
    .await
    .unwrap();
    let names: Vec<_> = devices.iter().map(|row| (&*row.card.name, row.revoked_ms.is_some())).collect();
    assert!(devices.iter().all(|row| row.card.office == home()));
    assert_eq!(names, [("A", false), ("B", false), ("Notes", false), ("Gone", true)]);
    let calls: Vec<_> = records.iter().map(|stored| (stored.call.how, stored.records.len())).collect();
    assert_eq!(calls, [(Some(Ended::Missed), 0), (Some(Ended::HungUp), 1)]);
    assert!(records.iter().all(|stored| stored.call.ended_index.is_some()), "outstanding log entries were appended");
    running.shutdown().await;
    // A second start, from the upgraded data.
    Server::start(ServerConfig::local(&data)).await.unwrap().shutdown().await;
}
