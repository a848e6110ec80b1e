//! What of a response is for one filter.

use std::time::Duration;

use enginebay::config::proto::envoy::config::core::v3::TypedExtensionConfig;
use enginebay::config::proto::envoy::service::discovery::v3::{DiscoveryResponse, Resource};
use prost::Message;

use super::grpc::TYPE_URL;

const RESOURCE: &str = "envoy.service.discovery.v3.Resource";
const TYPED_EXTENSION_CONFIG: &str = "envoy.config.core.v3.TypedExtensionConfig";

/// What a response has for a filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, which changes nothing: in Envoy too, a resource is not removed by leaving it out.
    Nothing,
    /// The resource at `index`, and how long it is good for.
    Resource { index: usize, ttl: Option<Duration> },
    /// The resource of this version is good for longer.
    Heartbeat { ttl: Option<Duration> },
}

/// Looks for the resource `name`. Others are passed over, and the first of several is taken, as in Envoy; but all must be
/// well-formed. `accepted` is the version in use.
pub(super) fn find(response: &DiscoveryResponse, name: &str, accepted: &str) -> Result<Found, String> {
    let mut found = Found::Nothing;
    for (index, any) in response.resources.iter().enumerate() {
        let (given, here) = match full_name(&any.type_url) {
            RESOURCE => {
                let wrapper = Resource::decode(any.value.as_slice()).map_err(|error| {
                    format!("resources[{index}]: Unable to unpack as {RESOURCE}: {error}")
                })?;
                let ttl = wrapper
                    .ttl
                    .and_then(|ttl| Duration::try_from(ttl).ok())
                    .filter(|ttl| !ttl.is_zero());
                let here = match &wrapper.resource {
                    None if response.version_info == accepted => Found::Heartbeat { ttl },
                    None => Found::Resource { index, ttl },
                    Some(any) if full_name(&any.type_url) != TYPED_EXTENSION_CONFIG => {
                        return Err(format!(
                            "resources[{index}]: Unable to unpack as {TYPED_EXTENSION_CONFIG}: it is a {}",
                            any.type_url
                        ));
                    }
                    Some(any) => {
                        extension(&any.value, index)?;
                        Found::Resource { index, ttl }
                    }
                };
                (wrapper.name, here)
            }
            _ if any.type_url == TYPE_URL => {
                let extension = extension(&any.value, index)?;
                (extension.name, Found::Resource { index, ttl: None })
            }
            _ => {
                return Err(format!(
                    "resources[{index}]: {} does not match the message-wide type URL {TYPE_URL} in DiscoveryResponse {}",
                    any.type_url, response.version_info
                ));
            }
        };
        if given == name && found == Found::Nothing {
            found = here;
        }
    }
    Ok(found)
}

fn extension(bytes: &[u8], index: usize) -> Result<TypedExtensionConfig, String> {
    let extension = TypedExtensionConfig::decode(bytes).map_err(|error| {
        format!("resources[{index}]: Unable to unpack as {TYPED_EXTENSION_CONFIG}: {error}")
    })?;
    if extension.name.is_empty() {
        return Err(format!(
            "resources[{index}]: Proto constraint validation failed (TypedExtensionConfigValidationError.Name: value \
             length must be at least 1 characters)"
        ));
    }
    Ok(extension)
}

fn full_name(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or(type_url)
}
