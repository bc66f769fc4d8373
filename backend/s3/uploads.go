package s3

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// maxPart is the highest number of a part, on all stores.
const maxPart = 10_000

// CreateUpload opens an upload.
func (c *client) CreateUpload(ctx context.Context, key string) (string, error) {
	op := op{name: "create_upload", key: key, effect: true}
	if err := c.checkKey(op); err != nil {
		return "", err
	}
	out, err := ask(ctx, c, op, func(ctx context.Context) (*awss3.CreateMultipartUploadOutput, error) {
		return c.sdk.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &c.bucket, Key: &key})
	})
	if err != nil {
		return "", err
	}
	if aws.ToString(out.UploadId) == "" {
		return "", op.notAnAnswer(ctx, "an upload")
	}
	return *out.UploadId, nil
}

// checkUpload refuses what the SDK would refuse in its own words.
func (c *client) checkUpload(op op, uploadID string) error {
	if uploadID == "" {
		return op.invalid("the upload's id is empty")
	}
	return c.checkKey(op)
}

// UploadPart stores one part.
func (c *client) UploadPart(ctx context.Context, key, uploadID string, number int, body []byte) (env.Part, error) {
	op := op{name: "upload_part", key: key, effect: true}
	if err := c.checkUpload(op, uploadID); err != nil {
		return env.Part{}, err
	}
	if number < 1 || number > maxPart {
		return env.Part{}, op.invalid(fmt.Sprintf("part %d: parts have the numbers 1 to %d", number, maxPart))
	}
	out, err := ask(ctx, c, op, func(ctx context.Context) (*awss3.UploadPartOutput, error) {
		return c.sdk.UploadPart(ctx, &awss3.UploadPartInput{
			Bucket: &c.bucket, Key: &key, UploadId: &uploadID, PartNumber: aws.Int32(int32(number)),
			Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		})
	})
	if err != nil {
		return env.Part{}, err
	}
	if bare(out.ETag) == "" {
		return env.Part{}, op.notAnAnswer(ctx, "an ETag")
	}
	return env.Part{Number: number, Size: int64(len(body)), ETag: bare(out.ETag)}, nil
}

// CompleteUpload completes an upload, and believes the store's yes only if the
// object is there: a posix gateway says yes to the completion of an upload that
// was aborted, if only some object has the key. The answer does not tell the size
// either. After a yes the upload is gone in any case, so that is what a caller
// learns whose object is not there.
func (c *client) CompleteUpload(ctx context.Context, key, uploadID string, parts []env.Part, cond env.Condition) (env.Object, error) {
	op := op{name: "complete_upload", key: key, effect: true}
	if err := c.checkUpload(op, uploadID); err != nil {
		return env.Object{}, err
	}
	if len(parts) == 0 {
		return env.Object{}, op.invalid("no part")
	}
	holds, err := c.condition(op, cond)
	if err != nil {
		return env.Object{}, err
	}
	listed := make([]types.CompletedPart, len(parts))
	for i, part := range parts {
		listed[i] = types.CompletedPart{PartNumber: aws.Int32(int32(part.Number)), ETag: aws.String(quoted(part.ETag))}
	}
	out, err := ask(ctx, c, op, func(ctx context.Context) (*awss3.CompleteMultipartUploadOutput, error) {
		return c.sdk.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
			Bucket: &c.bucket, Key: &key, UploadId: &uploadID,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: listed},
			IfNoneMatch:     holds.ifNoneMatch, IfMatch: holds.ifMatch,
		}, holds.options...)
	})
	if err != nil {
		return env.Object{}, err
	}
	etag := bare(out.ETag)
	if etag == "" {
		return env.Object{}, op.notAnAnswer(ctx, "an ETag")
	}
	there, err := c.Head(ctx, key)
	switch class := env.ClassOf(err); {
	case class == env.ClassNone && there.ETag == etag:
		return there, nil
	case class == env.ClassNone || class == env.ClassNotFound:
		return env.Object{}, op.fail(env.ClassNotFound, detail{text: "the store said yes, and another object or none is there"})
	}
	return env.Object{}, op.undecided(ctx, detail{text: "the store said yes; " + oneLine(err.Error())})
}

// AbortUpload drops an upload. One that is missing counts as dropped.
func (c *client) AbortUpload(ctx context.Context, key, uploadID string) error {
	op := op{name: "abort_upload", key: key, effect: true}
	if err := c.checkUpload(op, uploadID); err != nil {
		return err
	}
	_, err := ask(ctx, c, op, func(ctx context.Context) (*awss3.AbortMultipartUploadOutput, error) {
		return c.sdk.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &c.bucket, Key: &key, UploadId: &uploadID})
	})
	if env.ClassOf(err) == env.ClassNotFound {
		return nil
	}
	return err
}

// ListUploads returns one page of open uploads, in the order of their keys and
// ids. Stores page differently within a key: S3 orders a key's uploads by time,
// and a marker whose upload was aborted since is an error to some. So a page
// begins behind a key, by the key alone, and the rest of the key where the page
// before ended is read whole.
func (c *client) ListUploads(ctx context.Context, prefix, afterKey, afterID string, limit int) (env.UploadListing, error) {
	op := op{name: "list_uploads", key: prefix}
	if limit < 1 {
		return env.UploadListing{}, op.invalid(fmt.Sprintf("a page of %d", limit))
	}
	limit = min(limit, maxPage)
	var found []env.Upload
	if afterKey != "" && afterID != "" {
		same := uploads{client: c, op: op, prefix: afterKey, enough: func(last env.Upload) bool { return last.Key != afterKey }}
		if err := same.read(ctx); err != nil {
			return env.UploadListing{}, err
		}
		for _, u := range same.found {
			if u.Key == afterKey && u.ID > afterID {
				found = append(found, u)
			}
		}
	}
	// One upload too many tells that there are more; the key of the last one on
	// the page is read to its end, for the order within it.
	rest := uploads{client: c, op: op, prefix: prefix, afterKey: afterKey}
	rest.enough = func(last env.Upload) bool {
		at := limit - len(found) - 1
		return at < 0 || at < len(rest.found) && rest.found[at].Key != last.Key
	}
	if err := rest.read(ctx); err != nil {
		return env.UploadListing{}, err
	}
	found = append(found, rest.found...)
	slices.SortFunc(found, func(a, b env.Upload) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID)) })
	found = slices.Compact(found) // some begin a page with what was listed last
	n := min(limit, len(found))
	return env.UploadListing{Uploads: found[:n], More: rest.more || n < len(found)}, nil
}

// uploads reads the pages of a store's listing of open uploads.
type uploads struct {
	client   *client
	op       op
	prefix   string
	afterKey string // uploads of this key and smaller ones are left out
	// enough tells, of the last upload of a page, that no other page is needed.
	enough func(last env.Upload) bool

	found []env.Upload
	more  bool
}

func (u *uploads) read(ctx context.Context) error {
	in := awss3.ListMultipartUploadsInput{
		Bucket: &u.client.bucket, Prefix: &u.prefix, MaxUploads: aws.Int32(maxPage),
		EncodingType: types.EncodingTypeUrl,
	}
	if u.afterKey != "" {
		in.KeyMarker = &u.afterKey
	}
	for {
		out, err := ask(ctx, u.client, u.op, func(ctx context.Context) (*awss3.ListMultipartUploadsOutput, error) {
			return u.client.sdk.ListMultipartUploads(ctx, &in)
		})
		switch {
		case env.ClassOf(err) == env.ClassInvalid && in.UploadIdMarker != nil:
			// The marker's upload has ended between two pages.
			return u.op.fail(env.ClassUnavailable, detail{text: oneLine(err.Error())})
		case err != nil:
			return err
		case out.IsTruncated == nil:
			return u.op.notAnAnswer(ctx, "a listing")
		}
		last, err := u.take(out)
		if err != nil {
			return err
		}
		if u.more = *out.IsTruncated; !u.more || u.enough(last) {
			return nil
		}
		from := env.Upload{Key: aws.ToString(in.KeyMarker), ID: aws.ToString(in.UploadIdMarker)}
		if last.Key == "" || last.Key < from.Key || last == from {
			return u.op.invalid("the store's listing of uploads does not get ahead")
		}
		in.KeyMarker, in.UploadIdMarker = &last.Key, nil
		if last.ID != "" {
			in.UploadIdMarker = &last.ID
		}
	}
}

// take keeps the uploads of a page, and returns where the next one begins.
func (u *uploads) take(out *awss3.ListMultipartUploadsOutput) (last env.Upload, err error) {
	for _, found := range out.Uploads {
		last.ID = aws.ToString(found.UploadId)
		if last.Key, err = decoded(found.Key, out.EncodingType); err != nil {
			return last, u.op.invalid("a key of the listing is not encoded as asked")
		}
		if u.afterKey == "" || last.Key > u.afterKey {
			u.found = append(u.found, last)
		}
	}
	if aws.ToString(out.NextKeyMarker) != "" {
		last.ID = aws.ToString(out.NextUploadIdMarker)
		if last.Key, err = decoded(out.NextKeyMarker, out.EncodingType); err != nil {
			return last, u.op.invalid("a marker of the listing is not encoded as asked")
		}
	}
	return last, nil
}
