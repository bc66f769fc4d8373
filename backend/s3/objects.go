package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// maxPage is the most entries that any store puts on one page of a listing.
const maxPage = 1000

// client is one bucket. Any number of tasks may use it at once.
type client struct {
	sdk     *awss3.Client
	bucket  string
	oss     bool
	maxKey  int
	timeout time.Duration
}

var _ env.Objects = (*client)(nil)

// errTimeout ends a request that took longer than Config.Timeout. It is not the
// caller's deadline, so it has no class.
var errTimeout = errors.New("the request's time-out")

// ask sends one request.
func ask[Out any](ctx context.Context, c *client, op op, send func(ctx context.Context) (Out, error)) (Out, error) {
	var none Out
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	call, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	call, sent := traced(call)
	out, err := send(call)
	if err != nil {
		return none, op.classify(ctx, err, sent.Load())
	}
	return out, nil
}

// checkKey refuses keys that no store takes, before the SDK refuses them in its
// own words.
func (c *client) checkKey(op op) error {
	switch {
	case op.key == "":
		return op.invalid("the key is empty")
	case len(op.key) > c.maxKey:
		return op.invalid(fmt.Sprintf("the key has %d bytes; the store allows %d", len(op.key), c.maxKey))
	}
	return nil
}

// condition is a Condition as the headers of one kind of store.
type condition struct {
	ifNoneMatch, ifMatch *string
	options              []func(*awss3.Options)
}

func (c *client) condition(op op, cond env.Condition) (condition, error) {
	etag, match := cond.ETag()
	switch {
	case cond == env.Always:
		return condition{}, nil
	case match && c.oss:
		return condition{}, op.invalid("OSS has no condition on an ETag")
	case match:
		return condition{ifMatch: aws.String(quoted(etag))}, nil
	case c.oss:
		forbid := awss3.WithAPIOptions(smithyhttp.AddHeaderValue("x-oss-forbid-overwrite", "true"))
		return condition{options: []func(*awss3.Options){forbid}}, nil
	}
	return condition{ifNoneMatch: aws.String("*")}, nil
}

// bare is an ETag as env knows it: listings of some stores quote it, of others
// not.
func bare(etag *string) string {
	text := aws.ToString(etag)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}

// quoted is an ETag as HTTP wants it; a weak one has its quotes still.
func quoted(etag string) string {
	if strings.HasPrefix(etag, "W/") {
		return etag
	}
	return `"` + etag + `"`
}

// notAnAnswer is the error of a 200 that lacks what S3 always says: something
// between answered.
func (o op) notAnAnswer(ctx context.Context, missing string) error {
	return o.undecided(ctx, detail{text: "an answer without " + missing})
}

func (c *client) Put(ctx context.Context, key string, body []byte, cond env.Condition) (env.Object, error) {
	op := op{name: "put", key: key, effect: true}
	if err := c.checkKey(op); err != nil {
		return env.Object{}, err
	}
	holds, err := c.condition(op, cond)
	if err != nil {
		return env.Object{}, err
	}
	out, err := ask(ctx, c, op, func(ctx context.Context) (*awss3.PutObjectOutput, error) {
		return c.sdk.PutObject(ctx, &awss3.PutObjectInput{
			Bucket: &c.bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
			IfNoneMatch: holds.ifNoneMatch, IfMatch: holds.ifMatch,
		}, holds.options...)
	})
	if err != nil {
		return env.Object{}, err
	}
	if bare(out.ETag) == "" {
		return env.Object{}, op.notAnAnswer(ctx, "an ETag")
	}
	return env.Object{Key: key, Size: int64(len(body)), ETag: bare(out.ETag)}, nil
}

// chunk is what came of an object.
type chunk struct {
	body    []byte
	of      env.Object
	pastEnd bool   // the range begins behind the object's end
	wrong   string // what is wrong with the answer, or ""
}

// Get reads a range. Only if it is empty the object is described by a request of
// its own.
func (c *client) Get(ctx context.Context, key string, offset, length int64) ([]byte, env.Object, error) {
	op := op{name: "get", key: key}
	if err := c.checkKey(op); err != nil {
		return nil, env.Object{}, err
	}
	if offset < 0 {
		return nil, env.Object{}, op.invalid(fmt.Sprintf("the range begins at %d", offset))
	}
	if length == 0 {
		obj, err := c.Head(ctx, key)
		return nil, obj, err
	}
	got, err := ask(ctx, c, op, func(call context.Context) (chunk, error) {
		out, err := c.sdk.GetObject(call, &awss3.GetObjectInput{
			Bucket: &c.bucket, Key: &key, Range: rangeOf(offset, length),
		})
		var answer *smithyhttp.ResponseError
		if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable {
			return chunk{pastEnd: true}, nil
		}
		if err != nil {
			return chunk{}, err
		}
		defer out.Body.Close()
		return readChunk(ctx, key, offset, length, out)
	})
	switch {
	case err != nil:
		return nil, env.Object{}, err
	case got.wrong != "":
		return nil, env.Object{}, op.invalid(got.wrong)
	case got.pastEnd:
		obj, err := c.Head(ctx, key)
		return nil, obj, err
	}
	return got.body, got.of, nil
}

// rangeOf is the header for a range, or nil for the whole object.
func rangeOf(offset, length int64) *string {
	switch {
	case offset == 0 && length < 0:
		return nil
	case length < 0 || length > math.MaxInt64-offset:
		return aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	return aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
}

// readChunk reads an answer's body. A body that is cut is what came, if anything
// did: the caller sees from the object's size that it is short.
func readChunk(ctx context.Context, key string, offset, length int64, out *awss3.GetObjectOutput) (chunk, error) {
	size, from, told := aws.ToInt64(out.ContentLength), int64(0), true
	if out.ContentRange != nil {
		from, size, told = parseContentRange(*out.ContentRange)
	}
	switch {
	case !told:
		return chunk{wrong: "the store does not tell the object's size"}, nil
	case from != offset:
		return chunk{wrong: "the store does not serve ranges"}, nil
	}
	body := io.Reader(out.Body)
	if length >= 0 {
		body = io.LimitReader(body, length)
	}
	got, err := io.ReadAll(body)
	if err != nil && (len(got) == 0 || ctx.Err() != nil) {
		return chunk{}, err
	}
	return chunk{body: got, of: env.Object{Key: key, Size: size, ETag: bare(out.ETag)}}, nil
}

// parseContentRange reads "bytes 5-9/10".
func parseContentRange(text string) (from, size int64, ok bool) {
	text, bytes := strings.CutPrefix(text, "bytes ")
	span, total, slash := strings.Cut(text, "/")
	first, _, dash := strings.Cut(span, "-")
	from, errFrom := strconv.ParseInt(first, 10, 64)
	size, errSize := strconv.ParseInt(total, 10, 64)
	return from, size, bytes && slash && dash && errFrom == nil && errSize == nil
}

// Head describes an object.
func (c *client) Head(ctx context.Context, key string) (env.Object, error) {
	op := op{name: "head", key: key}
	if err := c.checkKey(op); err != nil {
		return env.Object{}, err
	}
	out, err := ask(ctx, c, op, func(ctx context.Context) (*awss3.HeadObjectOutput, error) {
		return c.sdk.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &c.bucket, Key: &key})
	})
	if err != nil {
		return env.Object{}, err
	}
	if out.ContentLength == nil || bare(out.ETag) == "" {
		return env.Object{}, op.notAnAnswer(ctx, "a size and an ETag")
	}
	return env.Object{Key: key, Size: *out.ContentLength, ETag: bare(out.ETag)}, nil
}

// List returns one page. Pages follow each other by key alone.
func (c *client) List(ctx context.Context, prefix, after string, limit int) (env.Listing, error) {
	op := op{name: "list", key: prefix}
	if limit < 1 {
		return env.Listing{}, op.invalid(fmt.Sprintf("a page of %d", limit))
	}
	in := awss3.ListObjectsV2Input{
		Bucket: &c.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(min(limit, maxPage))),
		EncodingType: types.EncodingTypeUrl, // XML cannot hold every key
	}
	if after != "" {
		in.StartAfter = &after
	}
	out, err := ask(ctx, c, op, func(ctx context.Context) (*awss3.ListObjectsV2Output, error) {
		return c.sdk.ListObjectsV2(ctx, &in)
	})
	if err != nil {
		return env.Listing{}, err
	}
	if out.IsTruncated == nil {
		return env.Listing{}, op.notAnAnswer(ctx, "a listing")
	}
	page := env.Listing{More: *out.IsTruncated}
	for _, found := range out.Contents {
		key, err := decoded(found.Key, out.EncodingType)
		if err != nil {
			return env.Listing{}, op.invalid("a key of the listing is not encoded as asked")
		}
		page.Objects = append(page.Objects, env.Object{Key: key, Size: aws.ToInt64(found.Size), ETag: bare(found.ETag)})
	}
	return page, nil
}

// decoded is a key of a listing, which the store encoded if it says so.
func decoded(key *string, encoding types.EncodingType) (string, error) {
	if encoding != types.EncodingTypeUrl {
		return aws.ToString(key), nil
	}
	return url.QueryUnescape(aws.ToString(key))
}

// Delete removes an object. Some stores say that there was none.
func (c *client) Delete(ctx context.Context, key string) error {
	op := op{name: "delete", key: key, effect: true}
	if err := c.checkKey(op); err != nil {
		return err
	}
	_, err := ask(ctx, c, op, func(ctx context.Context) (*awss3.DeleteObjectOutput, error) {
		return c.sdk.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &c.bucket, Key: &key})
	})
	if env.ClassOf(err) == env.ClassNotFound {
		return nil
	}
	return err
}
