//! `wasmill dev`
use std::path::PathBuf;
use std::process::ExitCode;
use crate::config::settings::Settings;
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevTopic { pub name: String, pub partitions: u32 }
#[derive(Debug, Clone, Default)]
pub struct DevOptions { pub topics: Vec<DevTopic>, pub ready_file: Option<PathBuf> }
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DevAddresses { pub api: String, pub kafka: String, pub registry: String }
pub fn dev(_: Settings, _: DevOptions) -> anyhow::Result<ExitCode> { anyhow::bail!("in work") }
