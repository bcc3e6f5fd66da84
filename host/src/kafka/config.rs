//! Properties of one client, checked by librdkafka itself as they are set.

use std::ffi::CString;
use std::ffi::c_char;
use std::path::PathBuf;
use std::ptr;

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_conf_res_t as ConfRes;

use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;

/// Properties of a client to be.
#[derive(Debug)]
pub struct ClientConfig {
    conf: *mut sys::rd_kafka_conf_t,
    pub(in crate::kafka) token_file: Option<PathBuf>,
}

// SAFETY: the object is not shared, and librdkafka does not tie it to a thread.
unsafe impl Send for ClientConfig {}

impl ClientConfig {
    pub(in crate::kafka) fn new() -> Self {
        // SAFETY: allocates; the object is freed in `drop` unless a client takes it over.
        let conf = unsafe { sys::rd_kafka_conf_new() };
        Self { conf, token_file: None }
    }

    /// Sets a property.
    ///
    /// # Errors
    /// When librdkafka does not know the property or refuses the value. The message never holds
    /// a value of a secret property.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), KafkaError> {
        let refused = |message| KafkaError::new(ErrorCode(-186), message);
        let Ok(c_name) = CString::new(name) else {
            return Err(refused(format!("the property name {name:?} holds a zero byte")));
        };
        let Ok(c_value) = CString::new(value) else {
            return Err(refused(format!("the value of `{name}` holds a zero byte")));
        };
        let mut text = ErrorText::new();
        // SAFETY: `conf` is live, the strings are C strings, the buffer has the length given.
        let result = unsafe {
            sys::rd_kafka_conf_set(
                self.conf,
                c_name.as_ptr(),
                c_value.as_ptr(),
                text.as_mut_ptr(),
                text.len(),
            )
        };
        if result == ConfRes::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        let secret = ["password", "secret", "key.pem", "jaas"].iter().any(|part| name.contains(part));
        if secret {
            return Err(refused(format!("the value of `{name}` is refused")));
        }
        // The client may name the property by an alias.
        Err(refused(format!("`{name}` is refused: {text}")))
    }

    pub(in crate::kafka) fn set_token_file(&mut self, file: PathBuf) {
        self.token_file = Some(file);
    }

    pub(in crate::kafka) fn as_ptr(&self) -> *mut sys::rd_kafka_conf_t {
        self.conf
    }

    /// Gives the object away: a client owns it now.
    pub(in crate::kafka) fn taken(mut self) {
        self.conf = ptr::null_mut();
    }
}

impl Drop for ClientConfig {
    fn drop(&mut self) {
        if !self.conf.is_null() {
            // SAFETY: nobody took it over.
            unsafe { sys::rd_kafka_conf_destroy(self.conf) };
        }
    }
}

/// Where librdkafka writes the text of an error.
pub(in crate::kafka) struct ErrorText([u8; 512]);

impl ErrorText {
    pub(in crate::kafka) fn new() -> Self {
        Self([0; 512])
    }

    pub(in crate::kafka) fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    pub(in crate::kafka) fn len(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Display for ErrorText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        f.write_str(&String::from_utf8_lossy(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_properties_and_bad_values_are_refused_without_secrets() {
        let mut config = ClientConfig::new();
        config.set("linger.ms", "5").expect("known");
        let unknown = config.set("linger.mss", "5").expect_err("unknown");
        assert!(unknown.message.contains("linger.mss"), "{unknown}");
        let bad = config.set("linger.ms", "soon").expect_err("bad value");
        assert!(bad.message.contains("linger.ms"), "{bad}");
        let zero = config.set("ssl.key.password", "hid\0den").expect_err("zero byte");
        assert!(!zero.message.contains("hid"), "{zero}");
    }
}
