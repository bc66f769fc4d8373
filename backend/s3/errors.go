package s3

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// detail is what an error of the SDK was about, for people. Its type is hidden:
// an error of env belongs to one class only (R17).
type detail struct {
	text string
	code string // S3's
}

func (d detail) Error() string { return d.text }

// Is tells the refusals that callers know from others of their class.
func (d detail) Is(target error) bool {
	switch target {
	case env.ErrPartTooSmall:
		return d.code == "EntityTooSmall"
	case env.ErrContended:
		return d.code == "ConditionalRequestConflict" || d.code == "OperationAborted"
	}
	return false
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// chain is the usual chain of credentials. Its errors have a type: a request
// that could not be signed was not sent.
type chain struct{ aws.CredentialsProvider }

type chainError struct{ code string }

func (e chainError) Error() string {
	text := "no credentials in the usual chain: environment, shared files, web identity, process, container, instance"
	if e.code == "" {
		return text
	}
	return text + " (" + e.code + ")"
}

// Retrieve keeps of the chain's error nothing but the code of a service that
// refused: the SDK repeats what a credential process printed, secrets and all.
func (c chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, chainError{apiCode(err)}
	}
	return credentials, nil
}

// codes are the API's codes whose class is not that of their status. What they
// mean: docs of S3 and OSS, "Error responses".
var codes = map[string]env.Class{
	"PreconditionFailed": env.ClassConflict,
	"FileAlreadyExists":  env.ClassConflict, // OSS
	// Another is writing at this moment: nothing was decided.
	"ConditionalRequestConflict": env.ClassUnavailable,
	"OperationAborted":           env.ClassUnavailable,
	// The request came late, slowly, cut or damaged: it was not applied, and the
	// next one may fare better.
	"RequestTimeout":            env.ClassUnavailable,
	"RequestTimeTooSkewed":      env.ClassUnavailable,
	"IncompleteBody":            env.ClassUnavailable,
	"BadDigest":                 env.ClassUnavailable,
	"XAmzContentSHA256Mismatch": env.ClassUnavailable,
	"ExpiredToken":              env.ClassUnavailable, // the chain renews it
	"SlowDown":                  env.ClassUnavailable,
	"NoSuchKey":                 env.ClassNotFound,
	"NoSuchUpload":              env.ClassNotFound,
	// Not "not found": core would take every recording for lost and convert it
	// again, for ever.
	"NoSuchBucket": env.ClassInvalid,
}

// classOf sorts an answer of the store: by the API's code first, by the status
// second, never by text. It returns ClassNone if the answer tells nothing.
func classOf(op op, code string, resp *http.Response) env.Class {
	if class, known := codes[code]; known {
		return class
	}
	switch status := resp.StatusCode; {
	case status == http.StatusPreconditionFailed:
		return env.ClassConflict
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return env.ClassUnavailable
	case status == http.StatusServiceUnavailable:
		// S3's own 503 means "not applied". A proxy between may say 503 after it
		// has sent an effect on, and has no request's id to show.
		if op.effect && !ownAnswer(resp) {
			return env.ClassNone
		}
		return env.ClassUnavailable
	case status == http.StatusNotFound && op.name == "head":
		return env.ClassNotFound // HEAD has no body, so no code
	case status == http.StatusNotFound:
		return env.ClassUnavailable // a 404 of S3's has a code: this is somebody else's
	case status == http.StatusNotImplemented, status >= 300 && status < 500:
		return env.ClassInvalid
	}
	return env.ClassNone
}

// ownAnswer reports whether the store itself answered.
func ownAnswer(resp *http.Response) bool {
	return resp.Header.Get("X-Amz-Request-Id") != "" || resp.Header.Get("X-Oss-Request-Id") != ""
}

// op is one call.
type op struct {
	name   string
	key    string
	effect bool
}

func (o op) fail(class env.Class, cause error) error {
	return &env.Error{Class: class, Op: o.name, Key: o.key, Err: cause}
}

func (o op) invalid(text string) error { return o.fail(env.ClassInvalid, detail{text: text}) }

// unknown is the class of a call that got no answer, or one that tells nothing:
// a read merely failed, an effect may have been applied and may still be (R4).
func (o op) unknown() env.Class {
	if o.effect {
		return env.ClassUndetermined
	}
	return env.ClassUnavailable
}

// classify turns an error of the SDK into one of env's. ctx is the caller's; sent
// tells whether the request may have left.
func (o op) classify(ctx context.Context, err error, sent bool) error {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() != 0 {
		code := apiCode(err)
		about := detail{text: describe(code, answer.HTTPStatusCode()), code: code}
		class := classOf(o, code, answer.Response.Response)
		if class != env.ClassNone {
			return o.fail(class, about)
		}
		return o.undecided(ctx, about)
	}
	if notSent(err, sent) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return o.fail(env.ClassUnavailable, detail{text: oneLine(err.Error())})
	}
	return o.undecided(ctx, detail{text: oneLine(err.Error())})
}

// undecided is the error of a request that nobody knows the end of.
func (o op) undecided(ctx context.Context, about error) error {
	switch {
	case ctx.Err() == nil:
		return o.fail(o.unknown(), about)
	case o.effect:
		return o.fail(env.ClassUndetermined, context.Cause(ctx))
	}
	return context.Cause(ctx)
}

// notSent reports whether not a byte of the request can have reached the store:
// it was not signed, it got no connection, or the last connection tried was
// never opened. (The transport tries another one only after the one before took
// no byte of an effect.)
func notSent(err error, sent bool) bool {
	var unsigned chainError
	var network *net.OpError
	return !sent || errors.As(err, &unsigned) || errors.As(err, &network) && network.Op == "dial"
}

// traced returns a context under which *sent becomes true once a request gets a
// connection.
func traced(ctx context.Context) (context.Context, *atomic.Bool) {
	sent := new(atomic.Bool)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	}), sent
}

// apiCode returns the code of the store's answer, or "". What is not a code is
// not repeated: a server may say anything, even the headers that it was sent.
func apiCode(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	code := api.ErrorCode()
	for _, c := range []byte(code) {
		if c != '.' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return ""
		}
	}
	if len(code) > 64 {
		return ""
	}
	return code
}

func describe(code string, status int) string {
	if code == "" {
		return "status " + strconv.Itoa(status)
	}
	return code + ", status " + strconv.Itoa(status)
}
