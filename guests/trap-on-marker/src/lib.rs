//! Does to marked records what a faulty transform does. All others pass. For tests of the host.

use wasmill_sdk::prelude::*;

/// A piece of work that says how it goes.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.faults")]
pub struct Job<'a> {
    pub id: i64,
    /// `trap`, `reject`, `reject-late`, `break-contract`, `spin`, `hoard`, `swell`, `bad-key`, `bad-value`,
    /// `retry` or `fatal`; anything else passes.
    pub action: &'a str,
}

/// What a job leaves behind.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.faults")]
pub struct Outcome<'a> {
    pub id: i64,
    pub text: &'a str,
}

/// Does what each job says.
#[transform]
#[input(jobs, key = String)]
pub struct TrapOnMarker {
    /// Rounds of idle work for each record, to make a slow transform.
    #[config(default = 0)]
    idle_rounds: u64,
    /// Length of the text that `swell` emits, in bytes.
    #[config(default = 2_000_000)]
    swell_bytes: usize,
    outcomes: Output<Outcome<'_>>,
    /// For keys and values that the format of a topic cannot hold.
    numbers: Output<i32, i32>,
}

/// No number of 16 bits, in a topic of such.
const TOO_GREAT: i32 = 70_000;

impl Process<Job<'_>> for TrapOnMarker {
    fn process(&mut self, job: Job<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let Job { id, action } = job;
        idle(self.idle_rounds);
        match action {
            "trap" => panic!("job {id} is marked to trap"),
            "reject" => reject!("job {id} is marked to be rejected"),
            "reject-late" => ctx.reject(format!("job {id} is rejected after its output")),
            "spin" => idle(u64::MAX),
            "hoard" => hoard(),
            "retry" => return Err(Error::retry(format!("job {id} asks for a retry"))),
            "fatal" => return Err(Error::fatal(format!("job {id} is fatal"))),
            "break-contract" => {
                let mut rows = Rows { count: 1, ..Rows::default() };
                let mut numbers = ColumnBuilder::<i32>::with_capacity(1);
                numbers.push(&1);
                rows.value = Some(numbers.finish(&mut rows.columns)?);
                self.numbers.emit_rows(rows, Sources::Unknown)?;
                ctx.reject(format!("job {id} is rejected beside an output of unknown source"));
            }
            "bad-key" => self.numbers.message(1).key(TOO_GREAT).send()?,
            "bad-value" => self.numbers.message(TOO_GREAT).key(1).send()?,
            "swell" => {
                let text = noise(self.swell_bytes);
                return self.outcomes.emit(Outcome { id, text: &text });
            }
            _ => {}
        }
        self.outcomes.emit(Outcome { id, text: action })
    }
}

fn idle(rounds: u64) {
    for round in 0..rounds {
        std::hint::black_box(round);
    }
}

/// Text that no codec makes much shorter.
fn noise(len: usize) -> String {
    let mut state = 1_u64;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (state >> 58) as u8)
    });
    letters.take(len).collect()
}

/// Takes memory until there is none.
fn hoard() {
    let mut hoarded: Vec<Vec<u8>> = Vec::new();
    loop {
        hoarded.push(vec![1; 1 << 20]);
        std::hint::black_box(&hoarded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: i64, action: &'static str) -> TestRecord<Job<'static>, String> {
        TestRecord::new(Job { id, action }).key("key".to_owned())
    }

    #[test]
    fn only_marked_jobs_fail() {
        let mut harness = TestHarness::new::<TrapOnMarker>();
        harness.send_all([job(1, "pass"), job(2, "reject"), job(3, "reject-late"), job(4, "pass")]);
        let ids: Vec<i64> =
            harness.values::<Outcome<'_>>("outcomes").iter().map(|outcome| outcome.id).collect();
        assert_eq!(ids, [1, 4]);
        assert_eq!(harness.rejected().len(), 2);
        harness.send_all([job(8, "bad-key"), job(9, "bad-value")]);
        assert_eq!(harness.values::<i32>("numbers"), [1, TOO_GREAT]);
        assert!(harness.try_send_to("jobs", [job(5, "retry")]).is_err());
        assert!(harness.try_send_to("jobs", [job(6, "fatal")]).is_err());
    }

    #[test]
    #[should_panic(expected = "job 7 is marked to trap")]
    fn a_trap_is_a_panic() {
        TestHarness::new::<TrapOnMarker>().send(job(7, "trap"));
    }
}
