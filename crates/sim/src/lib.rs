//! A whole office in one process and in virtual time: the real engines of both sides (`telcon-core`, the switchboard, placement
//! and assignment, the log and its writer, reconciliation, the store, the relay's calls and legs) under a seeded network, with
//! crashes at any write. It finds what tests of one side cannot: that the two sides disagree.
//!
//! What is simulated: time, the network, the power, people, and the programs around the engines (`program`, `server`), which
//! only carry out what engines decide. What is not here: DTLS and datagrams (frames go to everybody who tries, which is what an
//! attacker on the network could do; legs are the relay engine's), HTTP itself, and the content of records.
//!
//! ```text
//! TELCON_SIM_SEED=7 cargo test -p telcon-sim --test seeds -- --nocapture     one seed, with its whole trace
//! cargo xtask sim --seeds 10000                                              many
//! ```
//!
//! [`script::Scenario`] runs the same office by the explicit steps of a test.
//!
//! | module | idea |
//! |---|---|
//! | `world` | virtual time, the queue, the network |
//! | `device`, `program` | a device, and the program around its engine |
//! | `process`, `server` | the server's process, and what drives its engines |
//! | `connection` | connections between them |
//! | `relay` | relays |
//! | `disk` | what survives, and faults of writes |
//! | `office` | identities, cards, rings: all of them are made here |
//! | `lines` | who gives and takes lines, and what becomes of them |
//! | `action`, `plan` | what people do and what fails |
//! | [`script`] | runs driven by the explicit steps of a test, instead of by chance |
//! | `watch`, `seen_lines`, `invariants` | what was seen, and what must hold |

mod action;
mod connection;
mod device;
mod disk;
mod event;
mod invariants;
mod lines;
mod office;
mod plan;
mod process;
mod program;
mod relay;
mod rng;
pub mod script;
mod seen_lines;
mod server;
mod trace;
mod watch;
mod world;

pub use trace::Echo;
use world::World;

/// What became of a seed.
pub struct Outcome {
    /// The invariant that does not hold, if one does not.
    pub failure: Option<String>,
    /// Hash of the trace.
    pub hash: u64,
    /// Lines of the trace.
    pub lines: u64,
    /// The last of them.
    pub tail: String,
    /// Rings over lines that devices showed.
    pub line_rings: u64,
}

/// Runs the office of a seed. Each line of its trace is given to `echo`.
pub fn run(seed: u64, echo: Option<Echo>) -> Outcome {
    let mut world = World::new(seed, (seed % 3) as usize, echo);
    world.move_in();
    if seed % 4 == 3 {
        let crowd = world.rng.between(10_000, 30_000);
        world.crowd(crowd);
    } else {
        let storm = world.rng.between(20_000, 70_000);
        world.storm(storm);
    }
    world.heal();
    // A side that is away ends its calls after a minute; nothing else takes longer.
    world.run(75_000);
    world.check_settled();
    world.hang_up_all();
    world.run(10_000);
    if world.has_lines() {
        world.settle_lines();
    }
    match seed / 4 % 2 {
        0 => world.calm_call(),
        _ => world.calm_glare(),
    }
    world.run(75_000);
    world.check_final();
    Outcome {
        failure: world.watch.failure().map(str::to_owned),
        hash: world.trace.hash(),
        lines: world.trace.count(),
        tail: world.trace.tail(),
        line_rings: world.line_rings,
    }
}

/// The `type` of a message.
pub(crate) fn kind(message: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(message).unwrap_or_default();
    value["type"].as_str().unwrap_or_default().to_owned()
}
