//! What plugins may know of the configuration: metadata, places, and the node.

use prost::Message as _;

use crate::model::{Locality, Metadata, Node};
use crate::plugin_bytes;
use crate::proto::envoy::config::core::v3 as core;

pub(super) fn metadata(message: Option<&core::Metadata>) -> Metadata {
    let Some(message) = message else {
        return Metadata::default();
    };
    Metadata {
        filter_metadata_json: plugin_bytes::json_of_all(&message.filter_metadata),
        message: message.encode_to_vec(),
    }
}

pub(super) fn locality(message: Option<&core::Locality>) -> Locality {
    let Some(message) = message else {
        return Locality::default();
    };
    Locality {
        region: message.region.clone(),
        zone: message.zone.clone(),
        sub_zone: message.sub_zone.clone(),
        message: message.encode_to_vec(),
    }
}

pub(super) fn node(message: &core::Node) -> Node {
    use core::node::UserAgentVersionType::UserAgentVersion;
    let version = message.user_agent_version_type.as_ref();
    Node {
        id: message.id.clone(),
        cluster: message.cluster.clone(),
        metadata_json: message
            .metadata
            .as_ref()
            .map(plugin_bytes::json)
            .unwrap_or_default(),
        locality: locality(message.locality.as_ref()),
        user_agent_name: message.user_agent_name.clone(),
        user_agent_version: version
            .map(|UserAgentVersion(version)| version.clone())
            .unwrap_or_default(),
        message: message.encode_to_vec(),
    }
}
