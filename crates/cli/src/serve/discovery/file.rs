//! A file with a response.

use std::convert::Infallible;
use std::io::{self, Read};
use std::path::Path;

use enginebay::config::model::{FileSource, Plugin};
use enginebay::config::proto::envoy::service::discovery::v3::DiscoveryResponse;
use enginebay::config::read_discovery_response;
use prost::Message;
use sha2::{Digest, Sha256};

use super::feed::Feed;
use super::grpc::MAX_MESSAGE;
use super::watch::{Watch, off_thread, open};

/// Reads the file, and again when it changes.
pub(super) async fn follow(feed: &Feed, source: &FileSource) -> Infallible {
    let mut watch = Watch::source(source).await;
    let mut last = None;
    loop {
        let content = content(source).await;
        let digest = content
            .as_ref()
            .ok()
            .map(|content| <[u8; 32]>::from(Sha256::digest(content)));
        // One that is read by the clock is not refused again each time. One that was moved there is meant.
        let known = watch.is_by_clock() && digest.is_some() && last == digest;
        last = digest;
        let good = known || refresh(feed, source, content).await;
        watch.changed(good).await;
    }
}

/// Whether the file could be read and understood.
async fn refresh(feed: &Feed, source: &FileSource, content: io::Result<Vec<u8>>) -> bool {
    let path = source.path.display();
    let response = content
        .map_err(|error| error.to_string())
        .and_then(|content| read(&source.path, &content));
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!("Filesystem config update failure: in {path}, {error}");
            feed.refused().await;
            return false;
        }
    };
    let subscription = &feed.subscription;
    let plugin = subscription.plugin(|discovery| {
        Plugin::from_discovery(
            &response,
            &subscription.name,
            discovery,
            &feed.setting.clusters,
            &path.to_string(),
            &*feed.setting.outside,
        )
    });
    let outcome = match plugin {
        Ok(plugin) => feed.offer(&response, 0, plugin).await,
        Err(why) => Err(why),
    };
    match outcome {
        Ok(()) => tracing::debug!(
            "Filesystem config update accepted for {path}: version {}",
            response.version_info
        ),
        Err(why) => {
            tracing::warn!("Filesystem config update rejected: {why}");
            feed.refused().await;
        }
    }
    true
}

fn read(path: &Path, content: &[u8]) -> Result<DiscoveryResponse, String> {
    if path.extension().is_some_and(|extension| extension == "pb") {
        return DiscoveryResponse::decode(content).map_err(|error| error.to_string());
    }
    let text = std::str::from_utf8(content).map_err(|error| error.to_string())?;
    let name = path.to_string_lossy();
    read_discovery_response(text, &name).map_err(|error| {
        let error = error.to_string();
        // The line in the log has it already.
        let without_name = error
            .strip_prefix(&*name)
            .and_then(|rest| rest.strip_prefix(": "));
        without_name.unwrap_or(&error).to_owned()
    })
}

async fn content(source: &FileSource) -> io::Result<Vec<u8>> {
    let path = source.path.clone();
    off_thread(move || {
        let mut content = Vec::new();
        let limit = MAX_MESSAGE as u64;
        if open(&path)?.take(limit + 1).read_to_end(&mut content)? as u64 > limit {
            return Err(io::Error::other(format!("it has more than {limit} bytes")));
        }
        Ok(content)
    })
    .await
}
