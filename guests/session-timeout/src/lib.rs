//! Says when a user's session is over: when nothing was heard of the user for a while, by event time.

use wasmill_sdk::prelude::*;

/// Something that a user did. Its key is the user.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.web")]
pub struct Action {
    /// Milliseconds since the Unix epoch.
    #[record(logical = "timestamp-millis")]
    pub at: i64,
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.web")]
pub struct Session {
    pub started_at: i64,
    pub last_at: i64,
    pub actions: i64,
}

/// A session that is over.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.web")]
pub struct SessionOver<'a> {
    pub user: &'a str,
    #[record(logical = "timestamp-millis")]
    pub started_at: i64,
    #[record(logical = "timestamp-millis")]
    pub last_at: i64,
    pub actions: i64,
}

/// Says when a session is over.
#[transform]
#[input(actions, key = String, event_time = "at", out_of_orderness = "5s")]
pub struct SessionTimeout {
    /// A session is over when nothing was heard of its user for so long.
    #[config(default = 1_800_000)]
    timeout_ms: i64,
    /// The sessions that go on, by user.
    session: Value<Session>,
    timers: Timers,
    sessions: Output<SessionOver<'_>>,
}

impl Process<Action> for SessionTimeout {
    fn process(&mut self, action: Action, _: &mut Context<'_>) -> Result<()> {
        let session = match self.session.get()? {
            // Actions come a little out of order.
            Some(session) => Session {
                started_at: session.started_at.min(action.at),
                last_at: session.last_at.max(action.at),
                actions: session.actions + 1,
            },
            None => Session { started_at: action.at, last_at: action.at, actions: 1 },
        };
        // To register the timer again moves it.
        self.timers.register_event(session.last_at + self.timeout_ms, "timeout")?;
        self.session.set(session)
    }
}

impl OnTimer for SessionTimeout {
    fn on_timer(&mut self, _: Timer<'_>, ctx: &mut Context<'_>) -> Result<()> {
        if let Some(Session { started_at, last_at, actions }) = self.session.get()? {
            let user = ctx.key::<&str>()?.unwrap_or_default();
            self.sessions.emit(SessionOver { user, started_at, last_at, actions })?;
        }
        self.session.clear()
    }
}

#[cfg(test)]
mod tests {
    use wasmill_sdk::native::same_in_any_batches;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn action(user: &str, at: i64) -> TestRecord<Action, String> {
        TestRecord::new(Action { at }).key(user.to_owned())
    }

    #[test]
    fn a_session_is_over_when_nothing_was_heard_for_half_an_hour() {
        let mut harness = TestHarness::new::<SessionTimeout>();
        harness.send_all([action("ann", 0), action("bob", 10 * MINUTE), action("ann", 20 * MINUTE)]);
        harness.advance_event_time(49 * MINUTE);
        let bob = SessionOver { user: "bob", started_at: 10 * MINUTE, last_at: 10 * MINUTE, actions: 1 };
        assert_eq!(harness.values::<SessionOver<'_>>("sessions"), [bob.clone()]);
        harness.advance_event_time(50 * MINUTE);
        let ann = SessionOver { user: "ann", started_at: 0, last_at: 20 * MINUTE, actions: 2 };
        assert_eq!(harness.values::<SessionOver<'_>>("sessions"), [bob, ann]);
        let outputs = harness.outputs::<SessionOver<'_>>("sessions");
        assert_eq!((outputs[1].key::<&str>(), outputs[1].timestamp()), (Some("ann"), Some(50 * MINUTE)));
        assert!(harness.timers().is_empty());
        assert_eq!(harness.state::<Session>("session", "ann"), None);
    }

    #[test]
    fn other_users_move_time_on() {
        let mut harness = TestHarness::with_config::<SessionTimeout>(&[("timeout_ms", "1000")]);
        harness.send_all([action("ann", 0), action("bob", 6_000), action("ann", 6_100)]);
        let over = harness.values::<SessionOver<'_>>("sessions");
        assert_eq!(over.len(), 1, "{over:?}");
        assert_eq!(harness.state::<Session>("session", "ann").map(|session| session.started_at), Some(6_100));
    }

    #[test]
    fn batches_make_no_difference() {
        let harness = same_in_any_batches::<SessionTimeout>(&[("timeout_ms", "2000")], |harness| {
            let user = |n: i64| format!("user-{}", n % 400);
            harness.send_all((0..2000).map(|n| action(&user(n), n * 37 + (n * 7919) % 5000)));
            harness.advance_event_time(1_000_000);
        });
        assert!(harness.values::<SessionOver<'_>>("sessions").len() > 1000);
        assert!(harness.timers().is_empty());
    }
}
