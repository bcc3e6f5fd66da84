//! The memory of one instance.

use wasmtime::ResourceLimiter;

use crate::wasm::engine::TABLE_ELEMENTS_MAX;

/// Bytes that one table element takes in the host.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Counts every linear memory and table of an instance against one limit in bytes.
#[derive(Debug)]
pub(in crate::wasm) struct Limiter {
    limit_bytes: usize,
    used_bytes: usize,
    refused: bool,
}

impl Limiter {
    pub(in crate::wasm) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes: usize::try_from(limit_bytes).unwrap_or(usize::MAX),
            used_bytes: 0,
            refused: false,
        }
    }

    /// Begins an invocation: forgets refusals of the one before.
    pub(in crate::wasm) fn start(&mut self) {
        self.refused = false;
    }

    /// Notes that this invocation needs more than the limit for what the host would give it.
    pub(in crate::wasm) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether this invocation asked for more than the limit.
    pub(in crate::wasm) fn refused(&self) -> bool {
        self.refused
    }

    pub(in crate::wasm) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    pub(in crate::wasm) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let wanted = self.used_bytes.saturating_add(desired.saturating_sub(current));
        if wanted > self.limit_bytes {
            self.refused = true;
            return false;
        }
        self.used_bytes = wanted;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond a maximum of its own the growth fails anyway, and that is no refusal of ours.
        if maximum.is_some_and(|maximum| desired > maximum && desired <= self.limit_bytes) {
            return Ok(false);
        }
        Ok(self.grow(current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum && desired <= TABLE_ELEMENTS_MAX) {
            return Ok(false);
        }
        if desired > TABLE_ELEMENTS_MAX {
            self.refused = true;
            return Ok(false);
        }
        Ok(self
            .grow(current.saturating_mul(TABLE_ELEMENT_BYTES), desired.saturating_mul(TABLE_ELEMENT_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = Limiter::new(1000);
        assert!(limiter.memory_growing(0, 600, None).expect("no trap"));
        assert!(limiter.table_growing(0, 10, None).expect("no trap"));
        assert_eq!(limiter.used_bytes(), 680);
        assert!(!limiter.refused());
        assert!(!limiter.memory_growing(600, 1000, None).expect("no trap"));
        assert!(limiter.refused());
        limiter.start();
        assert!(limiter.memory_growing(600, 900, None).expect("no trap"));
        assert!(!limiter.refused());
    }
}
