//! State and timers are exact, whatever dies and wherever: random commands through a real broker, beside
//! a plain model.
//!
//! Several worlds run abreast, each a pipeline of its own: one host that dies at every step of its life,
//! three hosts whose partitions move while they die, are frozen and thawed, and a broker that dies too.
//! Hosts lose their state folders, or find them or their checkpoints damaged. In the end every answer, dead letter and late
//! record, and everything in the changelogs, must be what the model says.

#[path = "state_model/toll.rs"]
mod toll;
#[path = "state_model/world.rs"]
mod world;

use std::time::Duration;
use std::time::Instant;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use wasmill_test_support::Broker;
use wasmill_test_support::seed;
use wasmill_test_support::shared_broker;
use wasmill_test_support::shared_registry;

use crate::toll::Toll;
use crate::world::Shape;
use crate::world::World;

/// Deaths in a run of all tests. `cargo xtask soak` asks for more.
const DEATHS: usize = 150;
const DEATHS_VARIABLE: &str = "WASMILL_TEST_DEATHS";
/// Deaths after which a soak begins with new pipelines.
const ROUND: usize = 250;
/// From so many deaths on, every step must have been hit.
const COVERED_FROM: usize = 140;

#[test]
fn state_and_outputs_are_those_of_the_model_whatever_dies() {
    let wanted = std::env::var(DEATHS_VARIABLE).ok();
    let wanted = wanted.map_or(DEATHS, |text| text.parse().expect("a number of deaths"));
    let seed = seed();
    let began = Instant::now();
    let mut died = 0;
    let mut random = StdRng::seed_from_u64(seed);
    while died < wanted {
        died += round((wanted - died).min(ROUND), if died == 0 { seed } else { random.random() });
        println!("{died} deaths of {wanted} in {} s", began.elapsed().as_secs());
    }
}

/// Lets the worlds live until so many hosts have died.
fn round(deaths: usize, seed: u64) -> usize {
    println!("a round of {deaths} deaths with the seed {seed}");
    let toll = Toll::new(deaths);
    let registry = shared_registry().expect("registry");
    let kafka = shared_broker().expect("broker");
    let mut broker = Broker::start().expect("a broker of its own");
    let shape = |name, partitions, hosts, copies_late, has_checkpoints| Shape {
        name,
        kafka: kafka.clone(),
        registry: registry.clone(),
        partitions,
        hosts,
        copies_late,
        has_checkpoints,
    };
    let alone = World::new(shape("alone", 2, 1, false, false), seed, &toll);
    let late = World::new(shape("late", 3, 1, true, true), seed ^ 1, &toll);
    let moving = World::new(shape("moving", 6, 3, false, true), seed ^ 2, &toll);
    let shaken = Shape { kafka: broker.client(), ..shape("shaken", 2, 1, true, false) };
    let shaken = World::new(shaken, seed ^ 3, &toll);
    std::thread::scope(|scope| {
        for world in [&alone, &late, &moving, &shaken] {
            scope.spawn(move || world.torment());
        }
        scope.spawn(|| shake(&mut broker, &shaken, &toll, seed));
    });
    println!("{}", toll.describe());
    let survived = toll.survived();
    assert!(deaths < COVERED_FROM || survived.is_empty(), "nobody died at {survived:?}");
    toll.deaths()
}

/// Kills the broker now and then, while nothing is written but by the hosts.
fn shake(broker: &mut Broker, world: &World<'_>, toll: &Toll, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed ^ 4);
    loop {
        let until = Instant::now() + Duration::from_millis(random.random_range(6_000..12_000));
        while Instant::now() < until {
            if toll.is_paid() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _held = world.hold();
        broker.kill().expect("broker killed");
        std::thread::sleep(Duration::from_millis(random.random_range(0..1_000)));
        broker.restart().expect("broker restarted");
        toll.befell("broker killed");
    }
}
