//! A real Kubernetes control plane on loopback, without containers: `etcd`, `kube-apiserver`, `kube-controller-manager`
//! and `kubectl` as ordinary processes. There is no kubelet, so Pods are stored but never run; everything else is what
//! a cluster does: CRD validation and CEL, admission, RBAC, watches, server-side apply, finalizers, garbage collection
//! by owner references, namespace deletion.
//!
//! Why not a mock: the promises an operator makes are promises about what a real API server accepts, rejects and
//! forgets, and about which rights a `ServiceAccount` has.
//!
//! ```no_run
//! # async fn example() -> Result<(), syncflow_control_plane::Error> {
//! use syncflow_control_plane::{ControlPlane, StartOptions};
//!
//! let control_plane = ControlPlane::start(StartOptions::default()).await?;
//! control_plane.kubectl(["create", "namespace", "demo"]).await?.into_success()?;
//! control_plane.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Several can run at the same time: each has its own ports, its own temporary folder and its own certificate
//! authority. None outlives its starter, even one that is killed with SIGKILL.
//!
//! | module | what lives there |
//! |---|---|
//! | [`control_plane`](ControlPlane) | starting, readiness, stopping |
//! | `programs` | where the four programs are, and `install.sh` that gets them |
//! | `credentials` | certificates, `ServiceAccount` keys, kubeconfig files |
//! | `servers` | the flags of the three servers |
//! | `supervised` | a process that ends when its starter does |
//! | [`kubectl`](KubectlOutput) | running kubectl as the administrator or as somebody else |

mod control_plane;
mod credentials;
mod error;
mod folder;
mod kubectl;
mod programs;
mod servers;
mod supervised;

pub use control_plane::{ControlPlane, StartOptions};
pub use error::Error;
pub use kubectl::{KubectlOutput, Manifest};
pub use programs::{INSTALLED_PROGRAMS_VARIABLE, Programs};
