# Candor with the bundled models, as a small image without a shell, run by a user who is not root.
#   docker build -t candor --build-arg CANDOR_REVISION="$(git rev-parse HEAD)" .
#   docker run --rm -p 127.0.0.1:8080:8080 candor
#   docker run --rm -p 127.0.0.1:8080:8080 -v "$PWD/my-models":/candor/models:ro candor

# The ONNX Runtime library, pinned and checked as `make run` does it.
FROM python:3.12-slim-bookworm AS onnxruntime
WORKDIR /fetch
COPY scripts/fetch_onnxruntime.py scripts/onnxruntime.txt scripts/
RUN python3 scripts/fetch_onnxruntime.py

# The server. The image's tag names the toolchain, so rust-toolchain.toml (with its rustfmt and clippy) stays out.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
COPY build build
COPY src src
COPY benches benches
COPY config config
# The commit, which only the one who builds knows: git's own files are not sent to the engine.
ARG CANDOR_REVISION
# Optional features of the crate, such as "arrow object-store".
ARG CANDOR_FEATURES=""
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    CANDOR_REVISION="$CANDOR_REVISION" cargo build --profile dist --locked --features "$CANDOR_FEATURES" --bin candor

# The same Debian as the stages above, so the same C library; only what a dynamically linked program needs.
FROM gcr.io/distroless/cc-debian12:nonroot
WORKDIR /candor
COPY --from=build /build/target/dist/candor ./
# Beside the executable, where the server looks first.
COPY --from=onnxruntime /fetch/.onnxruntime/libonnxruntime.so ./
COPY --from=onnxruntime /fetch/.onnxruntime/LICENSE /fetch/.onnxruntime/ThirdPartyNotices.txt ./licenses/onnxruntime/
COPY LICENSE-MIT LICENSE-APACHE ./licenses/
COPY config config
COPY models models

# Inside a container, loopback would be reachable by nobody.
ENV CANDOR_HTTP__HOST=0.0.0.0
# Readiness goes first and the listener follows, so that a load balancer has time to look away.
# An engine that kills after 10 seconds leaves 5 for the requests that are under way.
ENV CANDOR_LIFECYCLE__DRAIN_DELAY_MS=5000
# Read by ONNX Runtime when it is loaded: no usage reports.
ENV ORT_DISABLE_TELEMETRY=1

EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/candor/candor", "health"]
ENTRYPOINT ["/candor/candor"]
CMD ["serve"]
