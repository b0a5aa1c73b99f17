//! The way of a leading process to the API server: nothing is written through it once the Lease is over.
//!
//! Versions keep a process that was paused from undoing what its successor stored; but a status is applied without one, and
//! link state that the successor has not touched yet would still take a late write.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::TryFutureExt as _;
use futures::future::BoxFuture;
use http::{Method, Request};
use tower::{BoxError, Layer, Service};

use crate::ports::Fence;

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not hold the Lease any more, and writes nothing to the cluster")]
pub struct LeaseIsOver;

/// Asks the fence before every call that may write.
#[derive(Clone)]
pub struct Fenced(pub Arc<dyn Fence>);

impl<S> Layer<S> for Fenced {
    type Service = FencedService<S>;

    fn layer(&self, inner: S) -> FencedService<S> {
        FencedService {
            inner,
            fence: Arc::clone(&self.0),
        }
    }
}

/// A service behind a fence.
pub struct FencedService<S> {
    inner: S,
    fence: Arc<dyn Fence>,
}

impl<S: fmt::Debug> fmt::Debug for FencedService<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("FencedService").field(&self.inner).finish()
    }
}

impl<S, B> Service<Request<B>> for FencedService<S>
where
    S: Service<Request<B>>,
    S::Response: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.method() != Method::GET && !self.fence.permits(Duration::ZERO) {
            return Box::pin(ready(Err(LeaseIsOver.into())));
        }
        Box::pin(self.inner.call(request).map_err(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::future::Ready;

    use super::*;

    struct Switch(AtomicBool);

    impl Fence for Switch {
        fn permits(&self, _: Duration) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// Answers with the method that it was asked with.
    struct Server;

    impl Service<Request<()>> for Server {
        type Response = Method;
        type Error = BoxError;
        type Future = Ready<Result<Method, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            futures::future::ready(Ok(request.method().clone()))
        }
    }

    #[tokio::test]
    async fn once_the_lease_is_over_only_reads_go_through() {
        let lease = Arc::new(Switch(AtomicBool::new(true)));
        let mut service = Fenced(Arc::clone(&lease) as Arc<dyn Fence>).layer(Server);
        let mut ask = |method: Method| service.call(Request::builder().method(method).body(()).unwrap());
        assert_eq!(ask(Method::PATCH).await.unwrap(), Method::PATCH);
        lease.0.store(false, Ordering::Relaxed);
        assert_eq!(ask(Method::GET).await.unwrap(), Method::GET);
        for writes in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let refused = ask(writes).await.unwrap_err();
            assert_eq!(refused.downcast_ref(), Some(&LeaseIsOver));
        }
    }
}
