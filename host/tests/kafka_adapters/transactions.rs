use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::position::Offset;
use wasmill::pipeline::ports::CommitFailure;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::SinkFailure;
use wasmill::pipeline::ports::Source as _;

use crate::support::Joined;
use crate::support::at;
use crate::support::outside;
use crate::support::record;
use crate::support::send;
use crate::support::sink;
use crate::support::topic;
use crate::support::unique;

#[test]
fn a_commit_writes_records_and_offsets_and_an_abort_neither() {
    let (input, output) = (topic("in", 1, &[]), topic("out", 1, &[]));
    let mut member = Joined::new(&unique("group"), "m", &input);
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&output]);
    let partition = at(&input, 0);
    assert_eq!(member.source.committed(std::slice::from_ref(&partition)).expect("committed"), [None]);

    sink.begin().expect("begin");
    send(&mut sink, &record(0, b"a", b"aborted"));
    sink.abort().expect("abort");

    sink.begin().expect("begin");
    send(&mut sink, &record(0, b"a", b"committed"));
    let group = member.source.group().expect("a member");
    sink.commit(&[(partition.clone(), Offset(7))], &group).expect("commit");

    sink.begin().expect("begin");
    send(&mut sink, &record(0, b"a", b"aborted too"));
    sink.abort().expect("abort");

    let values: Vec<_> = outside(&output).into_iter().filter_map(|seen| seen.value).collect();
    assert_eq!(values, [b"committed".to_vec()]);
    assert_eq!(member.source.committed(&[partition]).expect("committed"), [Some(Offset(7))]);
}

#[test]
fn offsets_alone_are_committed() {
    let input = topic("in", 2, &[]);
    let mut member = Joined::new(&unique("group"), "m", &input);
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&input]);
    let group = member.source.group().expect("a member");
    sink.commit(&[(at(&input, 1), Offset(3))], &group).expect("commit");
    let partitions = [at(&input, 0), at(&input, 1)];
    assert_eq!(member.source.committed(&partitions).expect("committed"), [None, Some(Offset(3))]);
}

#[test]
fn a_second_producer_of_the_same_name_fences_the_first() {
    let output = topic("out", 1, &[]);
    let mut member = Joined::new(&unique("group"), "m", &output);
    let name = unique("sink");
    let mut zombie = sink(&name, Delivery::ExactlyOnce, &[&output]);
    zombie.begin().expect("begin");
    send(&mut zombie, &record(0, b"a", b"zombie"));

    let mut successor = sink(&name, Delivery::ExactlyOnce, &[&output]);
    successor.begin().expect("begin");
    send(&mut successor, &record(0, b"a", b"successor"));
    let group = member.source.group().expect("a member");
    successor.commit(&[], &group).expect("commit");

    let failure = zombie.commit(&[], &group).expect_err("the zombie must not commit");
    assert!(matches!(failure, CommitFailure::Sink(SinkFailure::Fenced(_))), "{failure:?}");
    let values: Vec<_> = outside(&output).into_iter().filter_map(|seen| seen.value).collect();
    assert_eq!(values, [b"successor".to_vec()]);
}

#[test]
fn an_idle_producer_is_given_up_and_made_again() {
    let output = topic("out", 1, &[]);
    let mut member = Joined::new(&unique("group"), "m", &output);
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&output]);
    assert!(sink.release_idle(), "nothing was made yet");
    for round in 0..2_u32 {
        sink.begin().expect("begin");
        send(&mut sink, &record(0, b"a", round.to_string().as_bytes()));
        assert!(!sink.release_idle(), "a transaction is open");
        let group = member.source.group().expect("a member");
        sink.commit(&[], &group).expect("commit");
        assert!(sink.release_idle());
    }
    assert_eq!(outside(&output).len(), 2);
}

#[test]
fn many_transactions_keep_order_and_count() {
    let output = topic("out", 2, &[]);
    let mut member = Joined::new(&unique("group"), "m", &output);
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&output]);
    let group = member.source.group().expect("a member");
    let mut number = 0_u32;
    for round in 0..30 {
        sink.begin().expect("begin");
        let first = number;
        for _ in 0..700 {
            send(&mut sink, &record((number % 2) as i32, b"k", number.to_string().as_bytes()));
            number += 1;
        }
        if round % 5 == 4 {
            sink.abort().expect("abort");
            number = first;
        } else {
            sink.commit(&[(at(&output, 0), Offset(i64::from(number)))], &group).expect("commit");
        }
    }
    let mut next = [0_u32, 1];
    for seen in outside(&output) {
        let expected = &mut next[seen.partition as usize];
        assert_eq!(crate::support::number(seen.value.as_deref()), *expected);
        *expected += 2;
    }
    assert_eq!(next, [number, number + 1]);
}
