//! Drivers over a world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::ids::PortIndex;
use crate::model::pipeline_spec::CommitPolicy;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::RetryPolicy;
use crate::model::pipeline_spec::Start;
use crate::model::state::TimeDomain;
use crate::pipeline::clock::SystemClock;
use crate::pipeline::dead_letter::BadRecordPolicy;
use crate::pipeline::driver::Driver;
use crate::pipeline::fakes::CHANGELOG;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::TestDriver;
use crate::pipeline::fakes::alarms::Alarms;
use crate::pipeline::fakes::codec::FakeDecoder;
use crate::pipeline::fakes::codec::FakeEncoder;
use crate::pipeline::fakes::counter::Counter;
use crate::pipeline::fakes::counter::Known;
use crate::pipeline::fakes::echo::Echo;
use crate::pipeline::fakes::keeper::FakeKeeper;
use crate::pipeline::fakes::letters;
use crate::pipeline::fakes::sink::FakeSink;
use crate::pipeline::fakes::source::FakeSource;
use crate::pipeline::observer::Silent;
use crate::pipeline::outputs::Output;
use crate::pipeline::outputs::Outputs;
use crate::pipeline::ports::Decoder;
use crate::pipeline::ports::Guest;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::run::Lane;
use crate::pipeline::settings::Changelog;
use crate::pipeline::settings::DriverSettings;
use crate::pipeline::settings::EventTimeSettings;
use crate::pipeline::settings::InputRole;
use crate::pipeline::settings::InputSettings;
use crate::pipeline::settings::LatePolicy;
use crate::pipeline::settings::StateParts;
use crate::pipeline::status::StatusBoard;

/// Which transform runs, and what its timers go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TestGuest {
    Echo,
    Counter(TimeDomain),
    Alarms,
}

/// What a driver is made of.
pub(crate) struct Rig {
    policy: BadRecordPolicy,
    inputs: BTreeMap<Arc<str>, InputSettings>,
    guest: TestGuest,
    start: Start,
    commit: CommitPolicy,
    overlay_bytes_max: u64,
    bytes_per_batch_max: u64,
    inherited_bytes_max: u64,
    test_clock: bool,
    pub(crate) status: StatusBoard,
}

/// Event time from the record's timestamp, in steps of 10 ms.
pub(crate) fn event_time(late: LatePolicy) -> EventTimeSettings {
    EventTimeSettings {
        field: None,
        out_of_orderness_ms: 20,
        granularity_ms: 10,
        idle_after: Duration::from_secs(60),
        late,
    }
}

impl Rig {
    /// Without state.
    pub(crate) fn echo() -> Self {
        Self {
            policy: letters(),
            inputs: BTreeMap::from([(Arc::from("in"), InputSettings::stream(PortIndex(0)))]),
            guest: TestGuest::Echo,
            start: Start::Earliest,
            commit: CommitPolicy { interval: Duration::ZERO, records_max: 1000, bytes_max: 1 << 20 },
            overlay_bytes_max: 1 << 20,
            bytes_per_batch_max: 1 << 20,
            inherited_bytes_max: 1 << 20,
            test_clock: false,
            status: StatusBoard::default(),
        }
    }

    /// A sum per key that ends by timers of a domain, with event time.
    pub(crate) fn counter(domain: TimeDomain) -> Self {
        Self { guest: TestGuest::Counter(domain), ..Self::echo() }
            .event_time("in", event_time(LatePolicy::Process))
    }

    /// Everything that can be done with timers by event time.
    pub(crate) fn alarms() -> Self {
        Self { guest: TestGuest::Alarms, ..Self::echo() }.event_time("in", event_time(LatePolicy::Process))
    }

    pub(crate) fn policy(mut self, policy: BadRecordPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Time stands until the test moves it.
    pub(crate) fn test_clock(self) -> Self {
        Self { test_clock: true, ..self }
    }

    pub(crate) fn event_time(mut self, topic: &str, settings: EventTimeSettings) -> Self {
        self.inputs.get_mut(topic).expect("an input").event_time = Some(settings);
        self.test_clock = true;
        self
    }

    pub(crate) fn input(mut self, topic: &str, role: InputRole) -> Self {
        let port = PortIndex(self.inputs.len() as u32);
        self.inputs.insert(Arc::from(topic), InputSettings { port, role, event_time: None });
        self
    }

    pub(crate) fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    pub(crate) fn commit_every(mut self, interval: Duration, records_max: u64) -> Self {
        self.commit = CommitPolicy { interval, records_max, ..self.commit };
        self
    }

    pub(crate) fn overlay_bytes_max(mut self, bytes: u64) -> Self {
        self.overlay_bytes_max = bytes;
        self
    }

    pub(crate) fn bytes_per_batch_max(mut self, bytes: u64) -> Self {
        self.bytes_per_batch_max = bytes;
        self
    }

    pub(crate) fn inherited_bytes_max(mut self, bytes: u64) -> Self {
        self.inherited_bytes_max = bytes;
        self
    }

    /// A driver that has joined. The world says what it is assigned.
    pub(crate) fn join(self, world: &Shared) -> TestDriver {
        world.borrow_mut().owned = true;
        let guest: Box<dyn Guest> = match self.guest {
            TestGuest::Counter(domain) => {
                Box::new(Counter { world: world.clone(), domain, known: Known::new() })
            }
            TestGuest::Alarms => Box::new(Alarms { world: world.clone(), known: Known::new() }),
            TestGuest::Echo => Box::new(Echo(world.clone())),
        };
        let domain = match self.guest {
            TestGuest::Counter(domain) => Some(domain),
            TestGuest::Alarms => Some(TimeDomain::Event),
            TestGuest::Echo => None,
        };
        let changelog = |(index, name): (u32, &str)| {
            let topic = TopicIndex(CHANGELOG.0 + index);
            Some(Changelog { topic, name: format!("group.{name}.changelog").into() })
        };
        let state = domain.map(|domain| StateParts {
            keeper: Box::new(FakeKeeper(world.borrow().keeper.clone())),
            changelogs: (0..).zip(["sums", "timers", "meta"]).map(changelog).collect(),
            timers: vec![domain],
            bytes_per_batch_max: self.bytes_per_batch_max,
            overlay_bytes_max: self.overlay_bytes_max,
        });
        let decoder = || Box::new(FakeDecoder(world.clone())) as Box<dyn Decoder>;
        let lane = Lane {
            inputs: self.inputs.iter().map(|_| decoder()).collect(),
            guest,
            outputs: Outputs::new(
                vec![Output { topic: super::OUTPUT, key: None, value: Box::new(FakeEncoder(world.clone())) }],
                self.inherited_bytes_max,
            ),
            sink: FakeSink(world.clone()),
            policy: self.policy,
            retry: RetryPolicy {
                attempts_max: 2,
                backoff_initial: Duration::ZERO,
                backoff_max: Duration::ZERO,
            },
            observer: Box::new(Silent),
            clock: if self.test_clock {
                Box::new(world.borrow().clock.clone())
            } else {
                Box::new(SystemClock)
            },
            state,
            order: Vec::new(),
        };
        let settings = DriverSettings {
            delivery: Delivery::ExactlyOnce,
            start: self.start,
            commit: self.commit,
            inputs: self.inputs,
            gap_remedy: Arc::from("Accept the gap"),
        };
        Driver::join(FakeSource(world.clone()), lane, settings, self.status).expect("join")
    }
}
