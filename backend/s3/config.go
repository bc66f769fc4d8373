package s3

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Kind tells one family of stores from another, where they differ.
type Kind string

const (
	// KindS3 is Amazon's S3, and what behaves as it does.
	KindS3 Kind = "s3"
	// KindMinIO is MinIO: it lists the open uploads of whole keys only, and
	// keeps objects in files, whose names are at most 255 bytes long.
	KindMinIO Kind = "minio"
	// KindPosix is a gateway that keeps objects in files, such as versitygw.
	KindPosix Kind = "posix"
	// KindOSS is Alibaba Cloud's OSS through its S3 interface. It says
	// x-oss-forbid-overwrite for If-None-Match, and has no If-Match.
	KindOSS Kind = "oss"
)

// Traits returns what core must know of a store of this kind: the defaults of
// core, changed where docs/STORES.md says that the store differs.
func (k Kind) Traits() core.StoreTraits {
	traits := core.DefaultStoreTraits()
	switch k {
	case KindMinIO:
		traits.MaxSegment, traits.UploadsByPrefix = 255, false
	case KindPosix:
		traits.MaxSegment = 255
	case KindOSS:
		traits.MinPart, traits.MaxKey = 100<<10, 1023
	}
	return traits
}

// Config tells how to reach one bucket. Credentials are not part of it: they
// come from the SDK's usual chain (environment, shared files, web identity,
// container, instance), are renewed by it, and are written to no log and no
// error.
type Config struct {
	// Bucket is the bucket's name; it must exist.
	Bucket string
	// Endpoint is the server's URL, http or https, host and port only; "" means
	// the one of the usual chain (AWS_ENDPOINT_URL_S3), else Amazon's of the
	// region.
	Endpoint string
	// Region signs the requests; "" means the one of the usual chain
	// (AWS_REGION, a profile), else us-east-1 where Endpoint is set.
	Region string
	// PathStyle addresses the bucket as a path, https://host/bucket/key, and not
	// as a part of the host's name. Most servers of one's own want it; OSS
	// refuses it.
	PathStyle bool
	// Kind is the family of the store; "" means KindS3.
	Kind Kind
	// CAPath names a PEM file with the authorities that may sign the server's
	// certificate, in place of the system's; "" means the system's.
	CAPath string
	// CertPath and KeyPath name the client's certificate and key, PEM, both or
	// neither.
	CertPath, KeyPath string
	// Timeout bounds one request, its body included; 0 means 5 minutes, which is
	// also core's default for one call. A caller's context may end it sooner.
	Timeout time.Duration
}

// defaultTimeout is core's own default for one call (core.Config.StorageTimeout).
const defaultTimeout = 5 * time.Minute

// Open returns the objects of one bucket. It sends no request to the store, which
// may be down; it asks the chain for credentials, once. Errors: ErrInvalid, one
// line, for a configuration that can never work; ErrUnavailable if the chain has
// no credentials now; the context's.
func Open(ctx context.Context, cfg Config) (env.Objects, error) {
	cfg.Kind = cmp.Or(cfg.Kind, KindS3)
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	if err := cfg.validate(); err != nil {
		return nil, invalidConfig(err)
	}
	security, err := cfg.tls()
	if err != nil {
		return nil, invalidConfig(err)
	}
	// The SDK's own client: it adds AWS_CA_BUNDLE, and follows no redirect of an
	// effect.
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = security
	})
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(transport), config.WithLogger(logging.Nop{}),
	}
	if cfg.Region != "" {
		options = append(options, config.WithRegion(cfg.Region))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, invalidConfig(err)
	}
	if loaded.Region == "" && cfg.Endpoint == "" {
		return nil, invalidConfig(errors.New("no region: set it, or AWS_REGION, or an endpoint"))
	}
	loaded.Region = cmp.Or(loaded.Region, "us-east-1")
	credentials := chain{loaded.Credentials}
	if _, err := credentials.Retrieve(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &env.Error{Class: env.ClassUnavailable, Op: "open", Err: detail{text: err.Error()}}
	}
	loaded.Credentials = credentials
	return &client{
		sdk:     awss3.NewFromConfig(loaded, cfg.options),
		bucket:  cfg.Bucket,
		oss:     cfg.Kind == KindOSS,
		maxKey:  cfg.Kind.Traits().MaxKey,
		timeout: cfg.Timeout,
	}, nil
}

// options sets what must not be left to the SDK's defaults or the environment.
func (c *Config) options(o *awss3.Options) {
	if c.Endpoint != "" {
		o.BaseEndpoint = aws.String(c.Endpoint)
	}
	o.UsePathStyle = c.PathStyle
	// One request a call. With the SDK's three, a conditional put whose first
	// reply was lost comes back as a conflict with itself: ErrConflict for an
	// effect that happened, which env forbids. Core tries again itself.
	o.Retryer = aws.NopRetryer{}
	o.RetryMaxAttempts = 0
	// The signature covers the SHA-256 of every body, so a damaged one is
	// refused. (Left alone, the SDK signs no body over TLS, which ends at the
	// first load balancer.) Checksums on top come as trailers, which OSS and older
	// servers do not understand.
	o.APIOptions = append(o.APIOptions, signBodies)
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.ClientLogMode = 0
	o.Logger = logging.Nop{}
}

// signBodies makes the signature of a call cover its body.
func signBodies(stack *middleware.Stack) error {
	digest := &v4.ComputePayloadSHA256{}
	_, err := stack.Finalize.Swap(digest.ID(), digest)
	return err
}

func (c *Config) validate() error {
	switch c.Kind {
	case KindS3, KindMinIO, KindPosix, KindOSS:
	default:
		return fmt.Errorf("unknown kind of store %q: it must be s3, minio, posix or oss", c.Kind)
	}
	switch {
	case c.Bucket == "":
		return errors.New("no bucket")
	case c.Timeout < 0:
		return fmt.Errorf("the time-out %v is negative", c.Timeout)
	case (c.CertPath == "") != (c.KeyPath == ""):
		return errors.New("a client's certificate and its key go together: one of them is missing")
	case c.Endpoint == "":
		return nil
	}
	// The endpoint itself is not repeated in errors: it may hold a password.
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the endpoint must be http://host:port or https://host:port")
	case u.User != nil:
		return errors.New("the endpoint must hold no user and no password: credentials come from the usual chain")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("the endpoint must hold nothing behind the host %s", u.Host)
	case u.Scheme == "http" && (c.CAPath != "" || c.CertPath != ""):
		return errors.New("certificates are set, and the endpoint is plain http")
	}
	return nil
}

// tls returns the client's side of TLS.
func (c *Config) tls() (*tls.Config, error) {
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAPath != "" {
		text, err := os.ReadFile(c.CAPath)
		if err != nil {
			return nil, err
		}
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", c.CAPath)
		}
	}
	if c.CertPath != "" {
		pair, err := tls.LoadX509KeyPair(c.CertPath, c.KeyPath)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", c.CertPath, c.KeyPath, err)
		}
		security.Certificates = []tls.Certificate{pair}
	}
	return security, nil
}

func invalidConfig(err error) error {
	return &env.Error{Class: env.ClassInvalid, Op: "open", Err: detail{text: oneLine(err.Error())}}
}
