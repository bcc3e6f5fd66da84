//! Control: what should run, kept on disk, and the task that makes it so.

pub mod runner;
