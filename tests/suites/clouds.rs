//! Checkpoints in an object store of a cloud, over its own protocol.

use wasmill_test_support::S3;
use wasmill_test_support::checkpointed::Checkpointed;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::watch::metric;
use wasmill_test_support::watch::wait_for;

#[test]
fn checkpoints_go_to_s3_and_come_back_and_its_absence_stops_nothing() {
    let mut s3 = S3::start().expect("a server of S3");
    let object_store = format!(
        "{{ url: \"s3://{}/some/where\", endpoint: \"{}\", account: key, secret: not-so-secret }}",
        S3::BUCKET,
        s3.url()
    );
    let host = Checkpointed::new(object_store).expect("a pipeline");
    let payments: Vec<Payment> = Payments::new(23, 200).take(6000).collect();
    let (first, rest) = payments.split_at(2000);
    let (second, third) = rest.split_at(2000);
    host.life_with_checkpoints(first).expect("done and saved");
    let keys = s3.keys().expect("the keys");
    let place = format!("some/where/default/{}/", host.totals.pipeline.name);
    assert!(keys.iter().all(|key| key.starts_with(&place)), "{keys:?}");
    let documents = keys.iter().filter(|key| key.ends_with(".json")).count();
    assert!((2..=6).contains(&documents), "three for each partition are kept: {keys:?}");
    host.lose_disk().expect("lost");
    let life = host.life(second).expect("done");
    assert!(life.began_with("Checkpoint"), "{:?}", life.restored);
    assert!(!life.log.contains("not-so-secret"), "no secret is logged");
    // The server goes away: the task goes on, and says so; a restore does without it.
    s3.stop();
    host.totals.feed(third).expect("fed");
    let mut running = host.start().expect("started");
    host.totals.pipeline.wait_until_done(&mut running).expect("every payment");
    let failed = |host: &_| Ok(metric(host, "wasmill_checkpoint_failures_total")? > 0.0);
    wait_for(&mut running, "told of the failure", failed).expect("told");
    host.totals.pipeline.drain(&mut running).expect("drained");
    host.lose_disk().expect("lost");
    let life = host.life(&[]).expect("done");
    assert!(life.began_with("Empty"), "{:?}", life.restored);
    host.totals.compare(&payments).expect("outputs and state of the model");
}
