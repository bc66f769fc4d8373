package objstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// ClientConfig configures a client. The zero value is the default.
type ClientConfig struct {
	// Timeout is how long one request may take; 0 means 30 s.
	Timeout time.Duration
}

type client struct {
	transport Transport
	timeout   time.Duration
}

// NewClient returns a client that sends one request per call, but for
// ListUploads, which may need several. It does not retry: the retry loop with its back-off belongs to the caller, who knows
// which calls are worth repeating. The client needs no clock: the transport
// keeps the time-out. It may be used by several tasks at once.
func NewClient(transport Transport, config ClientConfig) env.Objects {
	if config.Timeout == 0 {
		config.Timeout = 30 * time.Second
	}
	return &client{transport: transport, timeout: config.Timeout}
}

// call is a request with room for its response, in one allocation.
type call struct {
	req  Request
	resp Response
}

// send carries the call out. Its error is the call's: an error answered by the
// store, or one that says what is known when no answer came.
func (c *client) send(ctx context.Context, call *call) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := c.transport.Send(ctx, &call.req, &call.resp, c.timeout)
	if err != nil {
		return noAnswer(ctx, &call.req, err)
	}
	switch {
	case call.resp.Err == env.ClassNone:
		return nil
	case call.resp.Code == "":
		return failure(&call.req, call.resp.Err, nil)
	}
	return failure(&call.req, call.resp.Err, codeError(call.resp.Code))
}

// noAnswer says what the caller may conclude from a request that was not
// answered. A read had no effect, so that it merely failed; anything else may
// have been applied and may still be (rule R4), unless it was refused.
func noAnswer(ctx context.Context, req *Request, err error) error {
	if env.ClassOf(err) == env.ClassUnavailable {
		return failure(req, env.ClassUnavailable, detail(errors.Unwrap(err)))
	}
	ended := ctx.Err() != nil
	switch {
	case req.Kind.HasEffect() && ended:
		return failure(req, env.ClassUndetermined, context.Cause(ctx))
	case req.Kind.HasEffect():
		return failure(req, env.ClassUndetermined, detail(err))
	case ended:
		return context.Cause(ctx)
	}
	return failure(req, env.ClassUnavailable, detail(err))
}

// detail keeps a transport's error as the cause of ours, unless it has a class
// or is a context's: errors.Is must find one class only (rule R17), and a
// transport's time-out is not the caller's.
func detail(err error) error {
	if env.ClassOf(err) == env.ClassOther {
		return err
	}
	return nil
}

func failure(req *Request, class env.Class, cause error) error {
	return &env.Error{Class: class, Op: req.Kind.String(), Key: req.Key, Err: cause}
}

// codeError is S3's error code as the cause of an error.
type codeError string

func (e codeError) Error() string { return string(e) }

// Is tells the codes that callers must know from others of their class.
func (e codeError) Is(target error) bool {
	switch target {
	case env.ErrPartTooSmall:
		return e == "EntityTooSmall"
	case env.ErrContended:
		return e == conflictCode || e == abortedCode
	}
	return false
}

func (c *client) Put(ctx context.Context, key string, body []byte, cond env.Condition) (env.Object, error) {
	call := call{req: Request{Kind: KindPut, Key: key, Body: body, Cond: cond}}
	err := c.send(ctx, &call)
	return call.resp.Object, err
}

func (c *client) Get(ctx context.Context, key string, offset, length int64) ([]byte, env.Object, error) {
	call := call{req: Request{Kind: KindGet, Key: key, Offset: offset, Length: length}}
	err := c.send(ctx, &call)
	return call.resp.Body, call.resp.Object, err
}

func (c *client) Head(ctx context.Context, key string) (env.Object, error) {
	call := call{req: Request{Kind: KindHead, Key: key}}
	err := c.send(ctx, &call)
	return call.resp.Object, err
}

func (c *client) List(ctx context.Context, prefix, after string, limit int) (env.Listing, error) {
	call := call{req: Request{Kind: KindList, Key: prefix, After: after, Limit: limit}}
	err := c.send(ctx, &call)
	return call.resp.Listing, err
}

func (c *client) Delete(ctx context.Context, key string) error {
	return c.send(ctx, &call{req: Request{Kind: KindDelete, Key: key}})
}

func (c *client) CreateUpload(ctx context.Context, key string) (string, error) {
	call := call{req: Request{Kind: KindCreateUpload, Key: key}}
	err := c.send(ctx, &call)
	return call.resp.UploadID, err
}

func (c *client) UploadPart(ctx context.Context, key, uploadID string, number int, body []byte) (env.Part, error) {
	call := call{req: Request{Kind: KindUploadPart, Key: key, UploadID: uploadID, Number: number, Body: body}}
	err := c.send(ctx, &call)
	return call.resp.Part, err
}

func (c *client) CompleteUpload(ctx context.Context, key, uploadID string, parts []env.Part, cond env.Condition) (env.Object, error) {
	call := call{req: Request{Kind: KindCompleteUpload, Key: key, UploadID: uploadID, Parts: parts, Cond: cond}}
	err := c.send(ctx, &call)
	return call.resp.Object, err
}

// AbortUpload takes a missing upload for an aborted one.
func (c *client) AbortUpload(ctx context.Context, key, uploadID string) error {
	call := call{req: Request{Kind: KindAbortUpload, Key: key, UploadID: uploadID}}
	err := c.send(ctx, &call)
	if err != nil && call.resp.Err == env.ClassNotFound {
		return nil
	}
	return err
}

// ListUploads returns one page of open uploads, in the order of their keys and
// ids. Stores order those of one key otherwise, and refuse markers within a key
// (Options.UploadsByTime, KeyMarkers). So, as the adapter of the real SDK does, a
// page begins behind a key, by the key alone, and the rest of the key where the
// page before ended is read whole.
func (c *client) ListUploads(ctx context.Context, prefix, afterKey, afterID string, limit int) (env.UploadListing, error) {
	if limit < 1 {
		call := call{req: Request{Kind: KindListUploads, Key: prefix, Limit: limit}}
		return env.UploadListing{}, failure(&call.req, env.ClassInvalid, codeError("InvalidArgument"))
	}
	var found []env.Upload
	if afterKey != "" && afterID != "" {
		same, err := c.uploads(ctx, afterKey, "", func(listed []env.Upload) bool {
			return listed[len(listed)-1].Key != afterKey
		})
		if err != nil {
			return env.UploadListing{}, err
		}
		for _, u := range same.Uploads {
			if u.Key == afterKey && u.ID > afterID {
				found = append(found, u)
			}
		}
	}
	// One upload too many tells that there are more; the key of the last one on
	// the page is read to its end, for the order within it.
	rest, err := c.uploads(ctx, prefix, afterKey, func(listed []env.Upload) bool {
		last := listed[len(listed)-1].Key
		at := limit - len(found) - 1
		return last > afterKey && (at < 0 || at < len(listed) && listed[at].Key != last)
	})
	if err != nil {
		return env.UploadListing{}, err
	}
	for _, u := range rest.Uploads {
		if u.Key > afterKey || afterKey == "" {
			found = append(found, u)
		}
	}
	slices.SortFunc(found, func(a, b env.Upload) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID))
	})
	found = slices.Compact(found) // some begin a page with what was listed last
	n := min(limit, maxPage, len(found))
	return env.UploadListing{Uploads: found[:n], More: rest.More || n < len(found)}, nil
}

// uploads reads the store's pages behind a key until enough is listed.
func (c *client) uploads(ctx context.Context, prefix, afterKey string, enough func(listed []env.Upload) bool) (env.UploadListing, error) {
	var all env.UploadListing
	afterID := ""
	for {
		call := call{req: Request{Kind: KindListUploads, Key: prefix, After: afterKey, AfterID: afterID, Limit: maxPage}}
		err := c.send(ctx, &call)
		if env.ClassOf(err) == env.ClassInvalid && afterID != "" {
			// The marker's upload has ended between two pages.
			return all, failure(&call.req, env.ClassUnavailable, codeError(call.resp.Code))
		}
		if err != nil {
			return all, err
		}
		page := call.resp.Uploads
		all.Uploads, all.More = append(all.Uploads, page.Uploads...), page.More
		if !page.More || len(page.Uploads) == 0 || enough(all.Uploads) {
			return all, nil
		}
		last := page.Uploads[len(page.Uploads)-1]
		if last.Key == afterKey && last.ID == afterID {
			return all, failure(&call.req, env.ClassInvalid, codeError("the listing does not get ahead"))
		}
		afterKey, afterID = last.Key, last.ID
	}
}
