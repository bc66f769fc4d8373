# The sweep of deploy/sweep: the simulator's command, and what stores its results.
#   docker build -f deploy/image/sweep.Dockerfile -t gauntlet-sweep .
FROM golang:1.26 AS build
WORKDIR /src
COPY . .
ENV CGO_ENABLED=0
RUN go build -trimpath -ldflags=-s -o /out/gauntlet ./cmd/gauntlet
RUN cd backend/s3 && go build -trimpath -ldflags=-s -o /out/s3put ./cmd/s3put

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/gauntlet /gauntlet
COPY --from=build /out/s3put /s3put
USER 65532:65532
ENTRYPOINT ["/s3put"]
