package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/backend/s3/s3test"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objcontract"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// wire carries the fake's requests to a real server, and says what came back
// without putting anything right: the SDK alone, where the adapter hides what
// differs between servers.
type wire struct {
	sdk *awss3.Client
}

func newWire(endpoint string) *wire {
	return &wire{awss3.New(awss3.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "access", SecretAccessKey: secret}, nil
		}),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})}
}

func (w *wire) Handle(req *objstore.Request, resp *objstore.Response) {
	*resp = objstore.Response{}
	ctx, bucket := context.Background(), aws.String(bucket)
	var err error
	switch req.Kind {
	case objstore.KindPut:
		in := &awss3.PutObjectInput{Bucket: bucket, Key: &req.Key, Body: bytes.NewReader(req.Body)}
		in.IfNoneMatch, in.IfMatch = conditions(req.Cond)
		var out *awss3.PutObjectOutput
		if out, err = w.sdk.PutObject(ctx, in); err == nil {
			resp.Object = env.Object{Key: req.Key, Size: int64(len(req.Body)), ETag: unquoted(out.ETag)}
		}
	case objstore.KindGet:
		err = w.get(ctx, req, resp)
	case objstore.KindHead:
		var out *awss3.HeadObjectOutput
		if out, err = w.sdk.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: bucket, Key: &req.Key}); err == nil {
			resp.Object = env.Object{Key: req.Key, Size: aws.ToInt64(out.ContentLength), ETag: unquoted(out.ETag)}
		}
	case objstore.KindDelete:
		_, err = w.sdk.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: bucket, Key: &req.Key})
	case objstore.KindList:
		err = w.list(ctx, req, resp)
	case objstore.KindCreateUpload:
		var out *awss3.CreateMultipartUploadOutput
		if out, err = w.sdk.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: &req.Key}); err == nil {
			resp.UploadID = aws.ToString(out.UploadId)
		}
	case objstore.KindUploadPart:
		var out *awss3.UploadPartOutput
		out, err = w.sdk.UploadPart(ctx, &awss3.UploadPartInput{
			Bucket: bucket, Key: &req.Key, UploadId: &req.UploadID, PartNumber: aws.Int32(int32(req.Number)), Body: bytes.NewReader(req.Body),
		})
		if err == nil {
			resp.Part = env.Part{Number: req.Number, Size: int64(len(req.Body)), ETag: unquoted(out.ETag)}
		}
	case objstore.KindCompleteUpload:
		in := &awss3.CompleteMultipartUploadInput{Bucket: bucket, Key: &req.Key, UploadId: &req.UploadID, MultipartUpload: &types.CompletedMultipartUpload{}}
		for _, part := range req.Parts {
			in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{PartNumber: aws.Int32(int32(part.Number)), ETag: aws.String(`"` + part.ETag + `"`)})
		}
		in.IfNoneMatch, in.IfMatch = conditions(req.Cond)
		var out *awss3.CompleteMultipartUploadOutput
		if out, err = w.sdk.CompleteMultipartUpload(ctx, in); err == nil {
			resp.Object = env.Object{Key: req.Key, ETag: unquoted(out.ETag)}
		}
	case objstore.KindAbortUpload:
		_, err = w.sdk.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: bucket, Key: &req.Key, UploadId: &req.UploadID})
	case objstore.KindListUploads:
		err = w.listUploads(ctx, req, resp)
	}
	if err != nil {
		*resp = objstore.Response{}
		resp.Err, resp.Code = wireError(err)
	}
}

func (w *wire) get(ctx context.Context, req *objstore.Request, resp *objstore.Response) error {
	in := &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: &req.Key}
	switch {
	case req.Length >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", req.Offset, req.Offset+req.Length-1))
	case req.Offset != 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", req.Offset))
	}
	out, err := w.sdk.GetObject(ctx, in)
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == 416 {
		// HTTP's way to say that the range has no byte.
		w.Handle(&objstore.Request{Kind: objstore.KindHead, Key: req.Key}, resp)
		return nil
	}
	if err != nil {
		return err
	}
	defer out.Body.Close()
	resp.Body, err = io.ReadAll(out.Body)
	resp.Object = env.Object{Key: req.Key, Size: aws.ToInt64(out.ContentLength), ETag: unquoted(out.ETag)}
	if _, total, found := strings.Cut(aws.ToString(out.ContentRange), "/"); found {
		fmt.Sscan(total, &resp.Object.Size)
	}
	return err
}

func (w *wire) list(ctx context.Context, req *objstore.Request, resp *objstore.Response) error {
	in := &awss3.ListObjectsV2Input{
		Bucket: aws.String(bucket), Prefix: &req.Key, MaxKeys: aws.Int32(int32(req.Limit)), EncodingType: types.EncodingTypeUrl,
	}
	if req.After != "" {
		in.StartAfter = &req.After
	}
	out, err := w.sdk.ListObjectsV2(ctx, in)
	if err != nil {
		return err
	}
	resp.Listing.More = aws.ToBool(out.IsTruncated)
	for _, found := range out.Contents {
		resp.Listing.Objects = append(resp.Listing.Objects, env.Object{Key: decodedKey(found.Key, out.EncodingType), Size: aws.ToInt64(found.Size), ETag: unquoted(found.ETag)})
	}
	return nil
}

func (w *wire) listUploads(ctx context.Context, req *objstore.Request, resp *objstore.Response) error {
	in := &awss3.ListMultipartUploadsInput{
		Bucket: aws.String(bucket), Prefix: &req.Key, MaxUploads: aws.Int32(int32(req.Limit)), EncodingType: types.EncodingTypeUrl,
	}
	if req.After != "" {
		in.KeyMarker = &req.After
	}
	if req.AfterID != "" {
		in.UploadIdMarker = &req.AfterID
	}
	out, err := w.sdk.ListMultipartUploads(ctx, in)
	if err != nil {
		return err
	}
	resp.Uploads.More = aws.ToBool(out.IsTruncated)
	for _, found := range out.Uploads {
		resp.Uploads.Uploads = append(resp.Uploads.Uploads, env.Upload{Key: decodedKey(found.Key, out.EncodingType), ID: aws.ToString(found.UploadId)})
	}
	return nil
}

func conditions(cond env.Condition) (ifNoneMatch, ifMatch *string) {
	if etag, match := cond.ETag(); match {
		return nil, aws.String(`"` + etag + `"`)
	}
	if cond == env.IfAbsent {
		return aws.String("*"), nil
	}
	return nil, nil
}

func unquoted(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

func decodedKey(key *string, encoding types.EncodingType) string {
	if encoding != types.EncodingTypeUrl {
		return aws.ToString(key)
	}
	text, err := url.QueryUnescape(aws.ToString(key))
	if err != nil {
		return err.Error()
	}
	return text
}

// wireError is an error's class by its status, and the API's code.
func wireError(err error) (env.Class, string) {
	var answer *smithyhttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &answer) || !errors.As(err, &api) {
		return env.ClassInvalid, "refused by the SDK"
	}
	code := api.ErrorCode()
	switch status := answer.HTTPStatusCode(); {
	case status == 404 && code == "NotFound":
		return env.ClassNotFound, "NoSuchKey" // HEAD has no body, so no code
	case status == 404:
		return env.ClassNotFound, code
	case status == 412, code == "FileAlreadyExists":
		return env.ClassConflict, code
	case code == "ConditionalRequestConflict", code == "OperationAborted":
		return env.ClassUnavailable, code
	case status >= 500 && status != 501:
		return env.ClassUndetermined, code
	}
	return env.ClassInvalid, code
}

// TestLedger: real servers behave as the ledger says, where they differ from the
// fake and everywhere else.
func TestLedger(t *testing.T) {
	t.Run("fake over HTTP", func(t *testing.T) {
		server := httptest.NewServer(s3test.New(bucket, objstore.New(objstore.Options{})))
		t.Cleanup(server.Close)
		objcontract.Compare(t, "s3test", newWire(server.URL))
	})
	t.Run("versitygw", func(t *testing.T) {
		objcontract.Compare(t, "versitygw", newWire(versitygw(t)))
	})
	t.Run("gofakes3", func(t *testing.T) {
		backend := s3mem.New()
		require.NoError(t, backend.CreateBucket(bucket))
		server := httptest.NewServer(gofakes3.New(backend).Server())
		t.Cleanup(server.Close)
		objcontract.Compare(t, "gofakes3", newWire(server.URL))
	})
}
