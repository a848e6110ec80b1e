//! From a cluster's endpoints to addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use enginebay::config::model::{Cluster, ClusterKind, DnsFamily, Endpoint};

/// An address of an endpoint.
pub(super) struct Found {
    pub(super) address: SocketAddr,
    /// Which endpoint of the configuration it is of.
    pub(super) endpoint: usize,
    /// What the host is called, for `auto_host_sni`.
    pub(super) name: Option<Rc<str>>,
}

/// The addresses that need no look-up; none if any endpoint needs one.
pub(super) fn literal(cluster: &Cluster) -> Option<Vec<Found>> {
    let addresses = cluster.endpoints.iter().enumerate().map(|(at, endpoint)| {
        let address: IpAddr = endpoint.host.parse().ok()?;
        Some(Found {
            address: SocketAddr::new(address, endpoint.port),
            endpoint: at,
            name: name(endpoint),
        })
    });
    addresses.collect()
}

fn name(endpoint: &Endpoint) -> Option<Rc<str>> {
    let named = [&endpoint.hostname, &endpoint.host]
        .into_iter()
        .find(|name| !name.is_empty())?;
    // An address is no name.
    named.parse::<IpAddr>().is_err().then(|| named.as_str().into())
}

/// All addresses, in the order of the endpoints.
///
/// # Errors
/// When nothing could be resolved, the last reason.
pub(super) async fn resolve(cluster: &Cluster) -> io::Result<Vec<Found>> {
    let mut addresses = Vec::new();
    let mut error = None;
    for (at, endpoint) in cluster.endpoints.iter().enumerate() {
        match look_up(endpoint, cluster.dns_family).await {
            Ok(found) => {
                let name = name(endpoint);
                addresses.extend(found.into_iter().map(|address| Found {
                    address,
                    endpoint: at,
                    name: name.clone(),
                }));
            }
            Err(reason) => error = Some(reason),
        }
    }
    if let (true, Some(error)) = (addresses.is_empty(), error) {
        return Err(error);
    }
    if cluster.kind == ClusterKind::LogicalDns {
        addresses.truncate(1);
    }
    Ok(addresses)
}

async fn look_up(endpoint: &Endpoint, family: DnsFamily) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await?;
    Ok(of_family(found.collect(), family))
}

fn of_family(mut addresses: Vec<SocketAddr>, family: DnsFamily) -> Vec<SocketAddr> {
    let any = |v6: bool| addresses.iter().any(|address| address.is_ipv6() == v6);
    let keep_v6 = match family {
        DnsFamily::All => return addresses,
        DnsFamily::V4Only => false,
        DnsFamily::V6Only => true,
        DnsFamily::Auto => any(true),
        DnsFamily::V4Preferred => !any(false),
    };
    addresses.retain(|address| address.is_ipv6() == keep_v6);
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_choose_addresses() {
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let both = addresses(&["1.2.3.4:80", "[::1]:80"]);
        let v4 = addresses(&["1.2.3.4:80"]);
        let v6 = addresses(&["[::1]:80"]);
        for (family, expected) in [
            (DnsFamily::All, &both),
            (DnsFamily::Auto, &v6),
            (DnsFamily::V4Preferred, &v4),
            (DnsFamily::V4Only, &v4),
            (DnsFamily::V6Only, &v6),
        ] {
            assert_eq!(&of_family(both.clone(), family), expected, "{family:?}");
        }
        assert_eq!(of_family(v4.clone(), DnsFamily::Auto), v4);
        assert_eq!(of_family(v6.clone(), DnsFamily::V4Preferred), v6);
        assert!(of_family(v4.clone(), DnsFamily::V6Only).is_empty());
    }
}
