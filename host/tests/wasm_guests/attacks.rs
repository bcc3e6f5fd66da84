//! A host under attack: hostile guests meet their limits, and a healthy one works on.

use wasmill::model::failure::Refusal;
use wasmill::model::limits::Limits;
use wasmill::model::record_batch::Invoked;
use wasmill::model::state::StateTimes;
use wasmill::pipeline::ports::Guest;
use wasmill::pipeline::ports::InvokeFailure;
use wasmill::pipeline::state_ports::StateSlot;
use wasmill::wasm::guest::GuestSpec;
use wasmill::wasm::guest::WasmGuest;
use wasmill::wasm::loader::ComponentLoader;
use wasmill::wasm::loader::LoadError;

const ROWS: usize = 10;
/// Timers that an attack is called with.
const TIMERS: [&[u8]; 2] = [b"a", b"b"];

/// One host with a healthy guest, and whatever is thrown at it.
pub struct Host {
    pub loader: ComponentLoader,
    healthy: WasmGuest,
}

/// The export that an attack comes by.
#[derive(Debug, Clone, Copy)]
pub enum Call {
    Process,
    OnTimers,
}

impl Call {
    fn make(self, guest: &mut WasmGuest, state: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        match self {
            Self::Process => guest.invoke(&super::raw_batch(ROWS), state),
            Self::OnTimers => guest.fire(&super::fired(&TIMERS), state),
        }
    }
}

impl Host {
    pub fn new() -> Self {
        let loader = super::loader();
        let component = loader.load(&super::identity_guest(super::RAW_MANIFEST)).expect("loads");
        Self { loader, healthy: super::guest(component) }
    }

    pub fn check_healthy(&mut self, after: &str) {
        let batch = super::raw_batch(ROWS);
        let invoked =
            self.healthy.invoke(&batch, &mut None).unwrap_or_else(|error| panic!("after {after}: {error}"));
        assert_eq!(invoked.emissions.len(), 1, "after {after}");
        assert_eq!(invoked.emissions[0].rows.value.as_deref(), batch.rows.value.as_deref(), "after {after}");
        assert_eq!(self.healthy.stats().instances_made, 1, "after {after}: the healthy instance lives on");
    }

    /// How an attack of `process` ends.
    pub fn attack(&mut self, name: &str, change: impl Fn(&mut GuestSpec)) -> InvokeFailure {
        self.attack_by(Call::Process, name, change)
    }

    /// How an attack ends, twice in a row, with the healthy guest between. The state that was lent
    /// is back each time.
    pub fn attack_by(&mut self, call: Call, name: &str, change: impl Fn(&mut GuestSpec)) -> InvokeFailure {
        let component =
            self.loader.load(&super::hostile_guest(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut slot = super::slot(&super::state(&component, StateTimes::default()));
        let mut spec = super::spec(component);
        change(&mut spec);
        let mut guest = WasmGuest::new(spec).expect("a guest");
        let mut failures = (0..2).map(|_| {
            let failure = call.make(&mut guest, &mut slot).map(|_| ()).expect_err(name);
            assert!(!guest.stats().is_live, "{name}: the instance is dropped");
            slot.as_mut().unwrap_or_else(|| panic!("{name}: the state is not back")).undo();
            self.check_healthy(name);
            failure
        });
        let (first, second) = (failures.next().expect("two"), failures.next().expect("two"));
        assert_eq!(
            std::mem::discriminant(&first),
            std::mem::discriminant(&second),
            "{name}: {first} / {second}"
        );
        first
    }

    pub fn refusal(&mut self, name: &str) -> Refusal {
        let refusal = match self.loader.load(&super::hostile_guest(name)) {
            Err(LoadError::Refused(refusal)) => *refusal,
            other => panic!("{name}: {other:?}"),
        };
        assert!(!refusal.found.is_empty() && !refusal.expected.is_empty() && !refusal.remedy.is_empty());
        self.check_healthy(name);
        refusal
    }
}

pub fn limits(change: impl Fn(&mut Limits)) -> impl Fn(&mut GuestSpec) {
    move |spec| change(&mut spec.limits)
}
