//! A real kube-apiserver on loopback, without containers.
