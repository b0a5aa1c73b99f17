//! The three servers and the flags they run with.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::Error;
use crate::credentials::Credentials;
use crate::folder::Folder;
use crate::programs::Programs;
use crate::supervised::{Supervised, flag};

/// Ports of loopback that are free now. All are held until all are chosen, so that they differ.
pub fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("find a free port on loopback"))?;
        *port = listener
            .local_addr()
            .map_err(Error::io("find a free port on loopback"))?
            .port();
        held.push(listener);
    }
    Ok(ports)
}

pub fn start_etcd(
    programs: &Programs,
    credentials: &Credentials,
    folder: &Folder,
    client_port: u16,
    peer_port: u16,
) -> Result<Supervised, Error> {
    let client = format!("https://127.0.0.1:{client_port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    let arguments = [
        flag("data-dir", folder.join("etcd")),
        flag("listen-client-urls", &client),
        flag("advertise-client-urls", &client),
        flag("listen-peer-urls", &peer),
        flag("initial-advertise-peer-urls", &peer),
        flag("initial-cluster", format!("default={peer}")),
        // Only our API server may speak to it, and ours speaks to no other: a port that changed hands cannot mix two
        // control planes, nor can another user of the machine write past the API server.
        flag("cert-file", &credentials.server.certificate),
        flag("key-file", &credentials.server.key),
        flag("trusted-ca-file", &credentials.ca_certificate),
        flag("client-cert-auth", "true"),
        // The data live as long as the process.
        flag("unsafe-no-fsync", "true"),
    ];
    Supervised::start("etcd", &programs.etcd(), arguments, folder)
}

pub fn start_api_server(
    programs: &Programs,
    credentials: &Credentials,
    folder: &Folder,
    etcd_port: u16,
    port: u16,
) -> Result<Supervised, Error> {
    let arguments = [
        flag("etcd-servers", format!("https://127.0.0.1:{etcd_port}")),
        flag("etcd-cafile", &credentials.ca_certificate),
        flag("etcd-certfile", &credentials.etcd_client.certificate),
        flag("etcd-keyfile", &credentials.etcd_client.key),
        flag("bind-address", "127.0.0.1"),
        flag("secure-port", port.to_string()),
        // Without these two it looks for an address of the machine's that others can reach, and fails offline.
        flag("advertise-address", "127.0.0.1"),
        flag("endpoint-reconciler-type", "none"),
        flag("tls-cert-file", &credentials.server.certificate),
        flag("tls-private-key-file", &credentials.server.key),
        flag("client-ca-file", &credentials.ca_certificate),
        flag("authorization-mode", "RBAC"),
        flag("service-account-issuer", "https://kubernetes.default.svc"),
        flag(
            "service-account-key-file",
            &credentials.service_account_public_key,
        ),
        flag(
            "service-account-signing-key-file",
            &credentials.service_account_key,
        ),
        flag("service-cluster-ip-range", "10.0.0.0/24"),
        // As real clusters have it; what a namespace forbids is then the Pod Security Standards' decision.
        flag("allow-privileged", "true"),
        flag("profiling", "false"),
    ];
    Supervised::start("kube-apiserver", &programs.api_server(), arguments, folder)
}

pub fn start_controller_manager(
    programs: &Programs,
    credentials: &Credentials,
    folder: &Folder,
    kubeconfig: &Path,
) -> Result<Supervised, Error> {
    let arguments = [
        flag("kubeconfig", kubeconfig),
        flag(
            "service-account-private-key-file",
            &credentials.service_account_key,
        ),
        flag("root-ca-file", &credentials.ca_certificate),
        // Owner references, namespace deletion, and the `default` ServiceAccount that Pods need. The rest of a
        // cluster's controllers would only cost memory.
        flag(
            "controllers",
            "garbage-collector-controller,namespace-controller,serviceaccount-controller",
        ),
        flag("leader-elect", "false"),
        flag("bind-address", "127.0.0.1"),
        flag("secure-port", "0"),
        flag("kube-api-qps", "200"),
        flag("kube-api-burst", "400"),
    ];
    Supervised::start(
        "kube-controller-manager",
        &programs.controller_manager(),
        arguments,
        folder,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_chosen_together_differ() {
        let mut ports: [u16; 8] = free_ports().unwrap();
        ports.sort_unstable();
        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]), "{ports:?}");
    }
}
