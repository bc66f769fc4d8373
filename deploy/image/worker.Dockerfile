# The worker: one static program and the authorities that sign certificates.
#   docker build -f deploy/image/worker.Dockerfile -t gauntlet-worker .
FROM golang:1.26 AS build
WORKDIR /src
COPY . .
ENV CGO_ENABLED=0
RUN cd cmd/worker && go build -trimpath -ldflags=-s -o /out/worker .

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/worker /worker
USER 65532:65532
ENTRYPOINT ["/worker"]
