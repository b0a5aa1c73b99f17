use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::Error;
use crate::credentials::Credentials;
use crate::folder::Folder;
use crate::kubectl::{Kubectl, KubectlOutput, Manifest};
use crate::programs::Programs;
use crate::servers::{free_ports, start_api_server, start_controller_manager, start_etcd};
use crate::supervised::Supervised;

/// How often readiness is asked for.
const POLL: Duration = Duration::from_millis(100);

/// How often a start is tried when another process takes a port between our choosing it and the program's using it.
const ATTEMPTS: u32 = 5;

/// How a control plane is started. The default suits both tests and demo.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// Where the programs are; `None` finds, fetches or builds them ([`Programs::installed`]).
    pub programs: Option<Programs>,
    /// How long everything may take to become ready, once the programs are installed. An idle machine needs three
    /// seconds; the default, three minutes, is for one that compiles at the same time.
    pub ready_within: Duration,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            programs: None,
            ready_within: Duration::from_mins(3),
        }
    }
}

/// The one that [`ControlPlane::shared`] hands out.
static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// A running control plane. It ends with [`ControlPlane::stop`], on drop, or when this process ends.
#[derive(Debug)]
pub struct ControlPlane {
    // Clients first, servers last.
    controller_manager: Supervised,
    api_server: Supervised,
    etcd: Supervised,
    server: String,
    credentials: Credentials,
    kubeconfig: PathBuf,
    kubeconfigs_written: AtomicU32,
    kubectl: Kubectl,
    folder: Folder,
}

impl ControlPlane {
    /// Installs the programs if need be, starts them, and returns when the API server is ready and the controller
    /// manager works.
    ///
    /// # Errors
    /// [`Error::Install`] or [`Error::MissingProgram`] without the programs; [`Error::Process`], with the end of the
    /// log, if one ends early or is not ready in time.
    pub async fn start(options: StartOptions) -> Result<Self, Error> {
        let programs = match options.programs {
            Some(programs) => programs,
            None => Programs::installed().await?,
        };
        let deadline = Instant::now() + options.ready_within;
        let mut attempt = 1;
        loop {
            match Self::start_once(&programs, deadline).await {
                Err(Error::Process { log, .. })
                    if attempt < ATTEMPTS && log.contains("address already in use") =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// One control plane for all tests of a process, started by whoever asks first: a start costs seconds, a namespace of
    /// one's own costs nothing. It ends with the process.
    ///
    /// # Errors
    /// As for [`ControlPlane::start`]; the next caller then tries again.
    pub async fn shared() -> Result<&'static Self, Error> {
        SHARED
            .get_or_try_init(|| Self::start(StartOptions::default()))
            .await
    }

    async fn start_once(programs: &Programs, deadline: Instant) -> Result<Self, Error> {
        let folder = Folder::create()?;
        let credentials = Credentials::write(&folder)?;
        let [etcd_port, peer_port, api_port] = free_ports()?;

        let etcd = start_etcd(programs, &credentials, &folder, etcd_port, peer_port)?;
        wait(&[&etcd], deadline, async || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, etcd_port))
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await?;

        let api_server = start_api_server(programs, &credentials, &folder, etcd_port, api_port)?;
        let server = format!("https://127.0.0.1:{api_port}");
        let kubeconfig = folder.write("admin.kubeconfig", &credentials.admin_kubeconfig(&server))?;
        let kubectl = Kubectl {
            program: programs.kubectl(),
            cache: folder.join("kubectl-cache"),
        };
        wait(&[&etcd, &api_server], deadline, async || {
            answers(
                &kubectl,
                &kubeconfig,
                &["get", "--raw=/readyz", "--request-timeout=5s"],
            )
            .await
        })
        .await?;

        let controller_manager = start_controller_manager(programs, &credentials, &folder, &kubeconfig)?;
        // It makes this ServiceAccount, so that it exists proves that its controllers run and may write.
        wait(&[&etcd, &api_server, &controller_manager], deadline, async || {
            answers(
                &kubectl,
                &kubeconfig,
                &["get", "serviceaccount", "default", "--namespace=default"],
            )
            .await
        })
        .await?;

        Ok(Self {
            controller_manager,
            api_server,
            etcd,
            server,
            credentials,
            kubeconfig,
            kubeconfigs_written: AtomicU32::new(0),
            kubectl,
            folder,
        })
    }

    /// The API server's address: `https://127.0.0.1:PORT`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The administrator's kubeconfig. It is self-contained, and removed when the control plane ends.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// Writes a kubeconfig for the bearer of `token` with `namespace` as its default, and says where.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn kubeconfig_for_token(&self, token: &str, namespace: &str) -> Result<PathBuf, Error> {
        let number = self.kubeconfigs_written.fetch_add(1, Ordering::Relaxed);
        let contents = self.credentials.token_kubeconfig(&self.server, token, namespace);
        self.folder
            .write(&format!("token-{number}.kubeconfig"), &contents)
    }

    /// The kubectl that fits this API server.
    pub fn kubectl_path(&self) -> &Path {
        &self.kubectl.program
    }

    /// A private folder that is removed when the control plane ends; the logs are in it (`kube-apiserver.log` and so
    /// on).
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs kubectl as the administrator.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be run at all. What kubectl itself says is in the output, good or bad.
    pub async fn kubectl(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<KubectlOutput, Error> {
        self.kubectl_as(&self.kubeconfig, arguments).await
    }

    /// Runs kubectl with another kubeconfig, for example one from [`ControlPlane::kubeconfig_for_token`].
    ///
    /// # Errors
    /// As for [`ControlPlane::kubectl`].
    pub async fn kubectl_as(
        &self,
        kubeconfig: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<KubectlOutput, Error> {
        self.kubectl.run(kubeconfig, arguments, None).await
    }

    /// Runs kubectl with another kubeconfig, on a manifest: `["apply"]`, `["create", "--dry-run=server"]` or the like;
    /// the flag that names the manifest is added.
    ///
    /// # Errors
    /// As for [`ControlPlane::kubectl`].
    pub async fn kubectl_on<'a>(
        &self,
        kubeconfig: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        manifest: impl Into<Manifest<'a>>,
    ) -> Result<KubectlOutput, Error> {
        let manifest = manifest.into();
        let (named, input) = manifest.source();
        let arguments = arguments
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .chain(named);
        self.kubectl.run(kubeconfig, arguments, input).await
    }

    /// Applies a manifest as the administrator and returns what kubectl printed. Server-side: large CRDs do not fit the
    /// annotation that a client-side apply writes.
    ///
    /// # Errors
    /// [`Error::Kubectl`] with the API server's reason if any object is refused.
    pub async fn apply<'a>(&self, manifest: impl Into<Manifest<'a>>) -> Result<String, Error> {
        self.kubectl_on(&self.kubeconfig, ["apply", "--server-side"], manifest)
            .await?
            .into_success()
    }

    /// A token of a `ServiceAccount` that exists, valid for a day.
    ///
    /// # Errors
    /// [`Error::Kubectl`] if there is no such `ServiceAccount`.
    pub async fn create_token(&self, namespace: &str, service_account: &str) -> Result<String, Error> {
        let arguments = [
            "create",
            "token",
            service_account,
            "--namespace",
            namespace,
            "--duration=24h",
        ];
        Ok(self.kubectl(arguments).await?.into_success()?.trim().to_owned())
    }

    /// Fails, with the end of its log, if one of the programs has ended by itself. For tests that fail in ways that
    /// look like the API server's own death.
    ///
    /// # Errors
    /// [`Error::Process`].
    pub fn check_running(&self) -> Result<(), Error> {
        self.etcd.check_running()?;
        self.api_server.check_running()?;
        self.controller_manager.check_running()
    }

    /// Ends the programs, waits until they are gone, and removes the folder. Dropping does the same, without a report.
    ///
    /// # Errors
    /// [`Error::Io`] if waiting fails.
    pub async fn stop(mut self) -> Result<(), Error> {
        let stopped = tokio::task::spawn_blocking(move || self.end());
        stopped
            .await
            .map_err(|error| Error::io("stop the control plane")(std::io::Error::other(error)))?
    }

    fn end(&mut self) -> Result<(), Error> {
        let all = [&mut self.controller_manager, &mut self.api_server, &mut self.etcd];
        // All are told before any is waited for: none then waits for one that is gone.
        let [first, second, third] = all.map(|program| {
            program.release();
            program
        });
        first.end()?;
        second.end()?;
        third.end()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Asks again and again until `ready` says so, time is up (which is the last program's failure), or any of the programs
/// has ended.
async fn wait(
    programs: &[&Supervised],
    deadline: Instant,
    ready: impl AsyncFn() -> Result<(), String>,
) -> Result<(), Error> {
    loop {
        let answer = ready().await;
        for program in programs {
            program.check_running()?;
        }
        let Err(reason) = answer else { return Ok(()) };
        if let Some(program) = programs.last()
            && Instant::now() >= deadline
        {
            return Err(program.failure(format!("was not ready in time: {reason}")));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn answers(kubectl: &Kubectl, kubeconfig: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = kubectl
        .run(kubeconfig, arguments, None)
        .await
        .map_err(|error| error.to_string())?;
    output.into_success().map(drop).map_err(|error| error.to_string())
}
