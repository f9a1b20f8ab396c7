//! The HTTP API of a real server, held to its OpenAPI description by requests that Schemathesis makes from it: valid ones, and ones
//! that are wrong in each way that the description knows.

mod office;

use office::{Office, until};
use std::process::Command;
use telcon_client::endpoint::NullSink;

/// So that a failure can be repeated.
const SEED: &str = "20261130";
/// Requests per operation and kind of generator, at most.
const EXAMPLES: &str = "40";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_as_its_description_says() {
    let Some(schemathesis) = std::env::var_os("TELCON_SCHEMATHESIS") else {
        return office::not_run("TELCON_SCHEMATHESIS names no program (`cargo xtask unit` sets it)");
    };
    let office = Office::new();
    let device = office.enrol("Records officer", "records-officer");
    let endpoint = office.endpoint(&device, false, Box::new(NullSink));
    let view = until(&endpoint, "the sign-in", |view| view.token.is_some()).await;
    let token = view.token.unwrap();
    let run = |more: &[&str]| {
        let mut run = Command::new(&schemathesis);
        run.arg("run").arg(format!("{}/api/v1/openapi.json", office.url())).args([
            "--url",
            &office.url(),
            "--no-color",
        ]);
        run.args(["--seed", SEED, "--max-examples", EXAMPLES, "--checks", "all"]);
        // A body of the documented form is refused unless it is signed, which a schema cannot say.
        run.args(["--exclude-checks", "positive_data_acceptance"]);
        let output = run.args(more).current_dir(office.dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("generated"), "{said}");
    };
    run(&[]);
    run(&["--header", &format!("Authorization: Bearer {token}")]);
    let server = office.server.as_ref().unwrap().output();
    assert!(!server.contains("panicked") && !server.contains("failed inside the server"), "{server}");
    office.verify();
}
