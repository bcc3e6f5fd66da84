//! Timers: being called again at a time.

mod fire;
mod registered;
mod timer;

pub use crate::timers::fire::OnTimer;
pub use crate::timers::fire::TimerKeys;
#[doc(hidden)]
pub use crate::timers::fire::fire;
pub use crate::timers::registered::AnyTime;
pub use crate::timers::registered::EventTime;
pub use crate::timers::registered::GoesByEvent;
pub use crate::timers::registered::GoesByProcessing;
pub use crate::timers::registered::ProcessingTime;
pub use crate::timers::registered::TimerDomain;
pub use crate::timers::registered::Timers;
pub use crate::timers::timer::Fired;
pub use crate::timers::timer::TimeDomain;
pub use crate::timers::timer::Timer;
