//! Certificates, the `ServiceAccount` signing key, and kubeconfig files. Everything is made anew at each start, so a
//! client of one control plane can never be taken in by another that got its port.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

use crate::Error;
use crate::folder::Folder;

/// A certificate and its key, as files.
#[derive(Debug)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    certificate_pem: String,
    key_pem: String,
}

/// All that the three servers and their clients authenticate with.
#[derive(Debug)]
pub struct Credentials {
    ca_pem: String,
    /// The authority that signed everything below.
    pub ca_certificate: PathBuf,
    /// What etcd and the API server present on loopback.
    pub server: Identity,
    /// The API server's own identity towards etcd.
    pub etcd_client: Identity,
    /// The administrator: a member of `system:masters`, whom RBAC does not bind.
    pub admin: Identity,
    /// Signs `ServiceAccount` tokens.
    pub service_account_key: PathBuf,
    /// Checks them.
    pub service_account_public_key: PathBuf,
}

impl Credentials {
    /// Makes the keys and writes them into `folder`.
    pub fn write(folder: &Folder) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "syncflow test control plane");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let ca_pem = params.self_signed(&key)?.pem();
        let authority = Issuer::new(params, key);

        let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        // etcd dials itself with its own server certificate, hence the client usage too.
        server.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];

        let service_accounts = KeyPair::generate()?;
        Ok(Self {
            ca_certificate: folder.write("ca.crt", &ca_pem)?,
            server: Identity::sign("server", server, &authority, folder)?,
            etcd_client: Identity::sign("etcd-client", client("kube-apiserver", None), &authority, folder)?,
            admin: Identity::sign(
                "admin",
                client("admin", Some("system:masters")),
                &authority,
                folder,
            )?,
            service_account_key: folder.write("service-accounts.key", &service_accounts.serialize_pem())?,
            service_account_public_key: folder
                .write("service-accounts.pub", &service_accounts.public_key_pem())?,
            ca_pem,
        })
    }

    /// The administrator's kubeconfig. JSON is YAML, and every client reads it.
    pub fn admin_kubeconfig(&self, server: &str) -> String {
        let user = json!({
            "client-certificate-data": BASE64.encode(&self.admin.certificate_pem),
            "client-key-data": BASE64.encode(&self.admin.key_pem),
        });
        self.kubeconfig(server, "default", &user)
    }

    /// A kubeconfig for the bearer of `token`, whose commands go to `namespace` unless they name another.
    pub fn token_kubeconfig(&self, server: &str, token: &str, namespace: &str) -> String {
        self.kubeconfig(server, namespace, &json!({ "token": token }))
    }

    fn kubeconfig(&self, server: &str, namespace: &str, user: &serde_json::Value) -> String {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "syncflow",
                "cluster": { "server": server, "certificate-authority-data": BASE64.encode(&self.ca_pem) },
            }],
            "users": [{ "name": "user", "user": user }],
            "contexts": [{
                "name": "syncflow",
                "context": { "cluster": "syncflow", "user": "user", "namespace": namespace },
            }],
            "current-context": "syncflow",
        });
        format!("{config:#}\n")
    }
}

fn client(name: &str, organisation: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(organisation) = organisation {
        params
            .distinguished_name
            .push(DnType::OrganizationName, organisation);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl Identity {
    fn sign(
        name: &str,
        mut params: CertificateParams,
        authority: &Issuer<'_, KeyPair>,
        folder: &Folder,
    ) -> Result<Self, Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate_pem = params.signed_by(&key, authority)?.pem();
        let key_pem = key.serialize_pem();
        Ok(Self {
            certificate: folder.write(&format!("{name}.crt"), &certificate_pem)?,
            key: folder.write(&format!("{name}.key"), &key_pem)?,
            certificate_pem,
            key_pem,
        })
    }
}
