//! Where a plugin's code comes from.

use std::borrow::Cow;

use enginebay_config::model::Code;
use enginebay_host::{FailState, Failure};

/// What names a native plugin: the path of a shared library (`local.filename`), or else the name of a plugin that is
/// linked in, as on Envoy's null runtime.
///
/// # Errors
/// As [`read_code`], except that a file is not looked at.
pub fn native_code(code: &Code) -> Result<Cow<'_, [u8]>, Failure> {
    match code {
        Code::LocalFile(path) => Ok(Cow::Borrowed(path.as_os_str().as_encoded_bytes())),
        other => read_code(other),
    }
}

/// Reads a plugin's code.
///
/// # Errors
/// A file that can't be read (`Invalid path: …`), a variable that is not set, or a remote source: whoever can
/// fetch its code gives it to [`Plugin::load_code`](crate::Plugin::load_code).
pub fn read_code(code: &Code) -> Result<Cow<'_, [u8]>, Failure> {
    let unable = |message: String| Failure::new(FailState::UnableToInitializeCode, message);
    match code {
        Code::LocalFile(path) => std::fs::read(path)
            .map(Cow::Owned)
            .map_err(|error| unable(format!("Invalid path: {}: {error}", path.display()))),
        Code::InlineBytes(bytes) => Ok(Cow::Borrowed(bytes)),
        Code::InlineString(text) => Ok(Cow::Borrowed(text.as_bytes())),
        Code::EnvironmentVariable(name) => match std::env::var_os(name) {
            Some(value) => Ok(Cow::Owned(value.into_encoded_bytes())),
            None => Err(unable(format!(
                "vm_config.code: the environment variable {name} is not set"
            ))),
        },
        Code::Remote(remote) => Err(unable(format!(
            "vm_config.code.remote: this caller does not fetch code ({}): download it and use code.local.filename",
            remote.uri
        ))),
        _ => Err(unable(
            "vm_config.code: this build does not know this source".to_owned(),
        )),
    }
}

#[cfg(all(test, feature = "wasmi"))]
mod tests {
    use enginebay_config::{Process, load_plugin};

    use super::read_code;
    use crate::{Engines, Plugin};

    #[test]
    fn remote_code_comes_from_outside() {
        let remote = format!(
            "vm_config: {{runtime: envoy.wasm.runtime.wasmi, code: {{remote: {{sha256: '{}', http_uri: {{uri: \
             'http://h/p.wasm', cluster: c, timeout: 1s}}}}}}}}",
            "0".repeat(64)
        );
        let plugin = load_plugin(&remote, "plugin.yaml", &Process).unwrap();
        let error = read_code(&plugin.vm.code).unwrap_err();
        let expected = "vm_config.code.remote: this caller does not fetch code (http://h/p.wasm): download it and use \
                        code.local.filename";
        assert_eq!(error.to_string(), expected);
        let engines = Engines::new().unwrap();
        assert_eq!(
            Plugin::load(&engines, &plugin).err().unwrap().to_string(),
            expected
        );
        let garbage = Plugin::load_code(&engines, &plugin, b"garbage").err().unwrap();
        assert!(
            garbage
                .to_string()
                .contains("Failed to parse corrupted Wasm module"),
            "{garbage}"
        );
        let bare = b"\0asm\x01\0\0\0";
        let no_plugin = Plugin::load_code(&engines, &plugin, bare).err().unwrap();
        assert!(no_plugin.to_string().contains("ABI"), "{no_plugin}");
    }
}
