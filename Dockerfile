# syntax=docker/dockerfile:1
# One static-enough binary on a base without a shell. Not built by `make test`: that needs no container engine.

# The rust-version of Cargo.toml, or later.
FROM rust:1.95-bookworm AS build
# aws-lc-sys compiles C.
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches outlive the layer, so that a changed line does not compile every dependency again; hence the copy.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package syncflow --bin syncflow \
 && cp target/release/syncflow /syncflow

# glibc, libgcc, CA certificates and a user; no shell, no package manager. The same Debian as above.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /syncflow /syncflow
# 65532 is the base's `nonroot`. A number, because runAsNonRoot cannot look a name up.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/syncflow"]
CMD ["operator"]
