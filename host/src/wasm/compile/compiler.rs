//! Compiles components under limits.

use std::fs;
use std::io;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;

use crate::wasm::compile::process::CompileRequest;
use crate::wasm::compile::process::SUBCOMMAND;
use crate::wasm::compile::process::compile;
use crate::wasm::cut::cut;
use crate::wasm::engine::EngineSettings;

/// Most native code of one component, in bytes: it stays in memory for as long as a pipeline runs it.
/// An interpreter with its libraries becomes about 100 MiB.
pub const NATIVE_BYTES_MAX: u64 = 512 << 20;

/// What one compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space of the child in bytes. Default 2 GiB: a Python or JavaScript component needs
    /// about 450 MiB of memory.
    pub memory_bytes_max: u64,
    /// CPU time in seconds, of all threads together. Default 60.
    pub cpu_s_max: u64,
    /// Wall time in milliseconds. Default 60 000.
    pub wall_ms_max: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { memory_bytes_max: 2 << 30, cpu_s_max: 60, wall_ms_max: 60_000 }
    }
}

/// Why there is no native code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The component is invalid, or asks for more than the engine gives.
    #[error("{0}")]
    Invalid(String),
    #[error("compiling it takes more than {limit_bytes} bytes of memory")]
    Memory { limit_bytes: u64 },
    #[error("compiling it takes more than {limit_s} s of CPU time")]
    Cpu { limit_s: u64 },
    #[error("compiling it takes more than {limit_ms} ms")]
    Wall { limit_ms: u64 },
    #[error("it becomes {bytes} bytes of native code")]
    Native { bytes: u64 },
    /// The compiler itself crashed on it.
    #[error("the compiler crashed: {0}")]
    Crashed(String),
    /// No compiler could be started, through no fault of the component.
    #[error("the compiler cannot be run: {0}")]
    Unavailable(#[from] io::Error),
}

/// Compiles one component at a time: two at once would need twice the memory.
#[derive(Debug)]
pub struct Compiler {
    mode: Mode,
    limits: CompileLimits,
    one_at_a_time: Mutex<()>,
}

#[derive(Debug)]
enum Mode {
    InProcess,
    Child { program: PathBuf, arguments: Vec<String> },
}

impl Compiler {
    /// Compiles in a child of this very program, by its hidden subcommand
    /// [`SUBCOMMAND`](crate::wasm::compile::process::SUBCOMMAND).
    ///
    /// # Errors
    /// When the program's own path is not known.
    pub fn child_of_this_program(limits: CompileLimits) -> io::Result<Self> {
        Ok(Self::child(std::env::current_exe()?, vec![SUBCOMMAND.to_owned()], limits))
    }

    /// Compiles in a child of another program, which must call
    /// [`run`](crate::wasm::compile::process::run) when given these arguments.
    #[must_use]
    pub fn child(program: PathBuf, arguments: Vec<String>, limits: CompileLimits) -> Self {
        Self { mode: Mode::Child { program, arguments }, limits, one_at_a_time: Mutex::new(()) }
    }

    /// Compiles in this process, without limits: for tests, and for components of one's own.
    #[must_use]
    pub fn in_process() -> Self {
        Self { mode: Mode::InProcess, limits: CompileLimits::default(), one_at_a_time: Mutex::new(()) }
    }

    /// Native code for an engine of these settings. Blocks.
    pub(in crate::wasm) fn compile(
        &self,
        settings: &EngineSettings,
        component: &[u8],
    ) -> Result<Vec<u8>, CompileError> {
        let _turn = self.one_at_a_time.lock();
        match &self.mode {
            Mode::InProcess => compile(settings, component).map_err(CompileError::Invalid),
            Mode::Child { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments);
                self.compile_in(command, settings, component)
            }
        }
    }

    fn compile_in(
        &self,
        mut command: Command,
        settings: &EngineSettings,
        component: &[u8],
    ) -> Result<Vec<u8>, CompileError> {
        let folder = tempfile::tempdir()?;
        let request = CompileRequest {
            folder: folder.path().to_owned(),
            memory_bytes_max: self.limits.memory_bytes_max,
            cpu_s_max: self.limits.cpu_s_max,
            engine_memory_bytes_max: settings.memory_bytes_max,
            engine_stack_bytes_max: settings.stack_bytes_max,
        };
        let mut request = serde_json::to_vec(&request).map_err(io::Error::other)?;
        request.push(b'\n');
        let child = command
            // Nothing of this host's environment is the compiler's business, secrets least of all.
            .env_clear()
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let (status, stderr) = self.wait(child, &request, component)?;
        if status.success() {
            let native = folder.path().join("native");
            if let Ok(bytes) = fs::metadata(&native).map(|metadata| metadata.len()) {
                if bytes > NATIVE_BYTES_MAX {
                    return Err(CompileError::Native { bytes });
                }
                return Ok(fs::read(native)?);
            }
            if let Ok(error) = fs::read_to_string(folder.path().join("error")) {
                return Err(CompileError::Invalid(error));
            }
        }
        Err(self.crash(status, &stderr))
    }

    /// Feeds the child and waits for its end, but not for longer than its wall time.
    fn wait(
        &self,
        mut child: Child,
        request: &[u8],
        component: &[u8],
    ) -> Result<(ExitStatus, String), CompileError> {
        let deadline = Instant::now() + Duration::from_millis(self.limits.wall_ms_max);
        let stdin = child.stdin.take();
        let stderr = child.stderr.take();
        thread::scope(|scope| {
            scope.spawn(move || {
                if let Some(mut stdin) = stdin {
                    // A child that ends early does not read on; its status tells why.
                    let _ = stdin.write_all(request).and_then(|()| stdin.write_all(component));
                }
            });
            let stderr = scope.spawn(move || {
                let mut text = Vec::new();
                if let Some(mut stderr) = stderr {
                    let mut rest = io::Read::by_ref(&mut stderr);
                    let _ = io::Read::read_to_end(&mut io::Read::take(&mut rest, 16 << 10), &mut text);
                    let _ = io::copy(&mut rest, &mut io::sink());
                }
                String::from_utf8_lossy(&text).into_owned()
            });
            let mut pause = Duration::from_millis(1);
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                if Instant::now() >= deadline {
                    child.kill()?;
                    child.wait()?;
                    return Err(CompileError::Wall { limit_ms: self.limits.wall_ms_max });
                }
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            };
            Ok((status, stderr.join().unwrap_or_default()))
        })
    }

    fn crash(&self, status: ExitStatus, stderr: &str) -> CompileError {
        let out_of_memory =
            stderr.contains("memory allocation of") || stderr.contains("Cannot allocate memory");
        match status.signal() {
            Some(libc::SIGXCPU) => CompileError::Cpu { limit_s: self.limits.cpu_s_max },
            // At the hard limit of CPU time the kernel kills outright.
            Some(libc::SIGKILL) => CompileError::Cpu { limit_s: self.limits.cpu_s_max },
            Some(libc::SIGABRT) | None if out_of_memory => {
                CompileError::Memory { limit_bytes: self.limits.memory_bytes_max }
            }
            _ => CompileError::Crashed(format!("{status}: {}", cut(stderr.trim(), 400))),
        }
    }
}
