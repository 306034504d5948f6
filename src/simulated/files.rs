//! Files in a simulated guest, as its agent opens, reads and writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::guest::{Inside, Refusal, refuse};
use super::host::File;

/// What the agent has open.
#[derive(Clone, Debug)]
pub(super) enum Open {
    /// What is left to read.
    Reading(Vec<u8>),
    /// The path that is written to.
    Writing(String),
}

fn unknown<T>(handle: i64) -> Result<T, Refusal> {
    refuse(format!("handle '{handle}' has not been found"))
}

impl Inside<'_> {
    pub(super) fn open(&mut self, path: &str, mode: &str) -> Result<Value, Refusal> {
        let open = match mode {
            "r" => match self.content(path) {
                Some(bytes) => Open::Reading(bytes),
                None => {
                    return refuse(format!(
                        "failed to open file '{path}' (mode: 'r'): No such file or directory"
                    ));
                }
            },
            "w" => {
                if let Some(root) = self.root() {
                    let file = root.files.entry(path.to_owned()).or_insert_with(|| File {
                        mode: 0o666,
                        owner: "root:root".to_owned(),
                        ..File::default()
                    });
                    file.bytes.clear();
                }
                Open::Writing(path.to_owned())
            }
            other => return refuse(format!("file mode {other:?} is not simulated")),
        };
        self.state.next_process += 1;
        let handle = self.state.next_process;
        if let Some(running) = self.running() {
            running.files.insert(handle, open);
        }
        Ok(json!(handle))
    }

    /// A file of the root, or one that the kernel or cloud-init makes at boot.
    fn content(&mut self, path: &str) -> Option<Vec<u8>> {
        if let Some(file) = self.root().and_then(|root| root.files.get(path)) {
            return Some(file.bytes.clone());
        }
        let host = self.state.hosts.get(&self.host)?;
        let domain = &host.domains.get(&self.domain)?.definition.domain.definition;
        let text = match path {
            "/run/cloud-init/result.json" => {
                r#"{"v1": {"datasource": "DataSourceNoCloud", "errors": []}}"#.to_owned()
            }
            "/run/cloud-init/status.json" => {
                r#"{"v1": {"datasource": "DataSourceNoCloud", "stage": null}}"#.to_owned()
            }
            "/proc/meminfo" => format!("MemTotal: {} kB\n", domain.memory_kib / 100 * 95),
            "/proc/stat" => format!("cpu  {0} 0 0 {0} 0 0 0 0 0 0\n", self.now.as_millis()),
            "/sys/devices/system/cpu/online" => {
                format!("0-{}\n", domain.vcpu_pins.len().saturating_sub(1))
            }
            "/sys/devices/system/cpu/cpu0/cache/index3/size" => {
                let cpu = domain.vcpu_pins.first()?.first()?;
                format!("{}K\n", host.topology.l3_of(*cpu)?.size_kib?)
            }
            _ => return None,
        };
        Some(text.into_bytes())
    }

    pub(super) fn read(&mut self, handle: i64, count: i64) -> Result<Value, Refusal> {
        let open = self.running().and_then(|running| running.files.get_mut(&handle));
        let Some(Open::Reading(left)) = open else { return unknown(handle) };
        let count = usize::try_from(count).unwrap_or_default().min(left.len());
        let read: Vec<u8> = left.drain(..count).collect();
        let eof = left.is_empty();
        Ok(json!({ "count": read.len(), "buf-b64": BASE64.encode(read), "eof": eof }))
    }

    pub(super) fn write(&mut self, handle: i64, data: &str) -> Result<Value, Refusal> {
        let open = self.running().and_then(|running| running.files.get(&handle).cloned());
        let Some(Open::Writing(path)) = open else { return unknown(handle) };
        let Ok(bytes) = BASE64.decode(data) else { return refuse("invalid base64 in 'buf-b64'") };
        if let Some(file) = self.root().and_then(|root| root.files.get_mut(&path)) {
            file.bytes.extend_from_slice(&bytes);
        }
        Ok(json!({ "count": bytes.len(), "eof": false }))
    }

    pub(super) fn close(&mut self, handle: i64) -> Result<Value, Refusal> {
        match self.running().and_then(|running| running.files.remove(&handle)) {
            Some(_) => Ok(json!({})),
            None => unknown(handle),
        }
    }
}
