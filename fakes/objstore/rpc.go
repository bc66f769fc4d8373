// Package objstore is an honest in-memory object store with S3's semantics and
// a thin blocking client over it. It has no clock, randomness, goroutines or
// faults of its own: the store handles one request at a time, and whoever
// carries requests to it (a [Transport]) decides when, whether and how often
// they arrive.
//
// Bodies are immutable by convention: neither who sends one nor who receives
// one may change its bytes afterwards, so the store keeps and hands out the
// slices that it was given. Only completing a multipart upload copies.
package objstore

import (
	"context"
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Kind is the kind of a request.
type Kind uint8

const (
	KindPut Kind = iota + 1
	KindGet
	KindHead
	KindList
	KindDelete
	KindCreateUpload
	KindUploadPart
	KindCompleteUpload
	KindAbortUpload
	KindListUploads
)

var kindNames = [...]string{
	"none", "put", "get", "head", "list", "delete", "create_upload",
	"upload_part", "complete_upload", "abort_upload", "list_uploads",
}

// String returns the operation's name as traces and errors print it.
func (k Kind) String() string { return kindNames[k] }

// HasEffect reports whether requests of this kind may change the store.
func (k Kind) HasEffect() bool {
	switch k {
	case KindPut, KindDelete, KindCreateUpload, KindUploadPart, KindCompleteUpload, KindAbortUpload:
		return true
	}
	return false
}

// Request is one request. Which fields count depends on Kind. The slices are
// owned by the request once it is sent and never change: it may be handled
// late, or twice.
type Request struct {
	Kind     Kind
	Cond     env.Condition // Put, CompleteUpload
	Key      string        // the object's key; List, ListUploads: the prefix
	UploadID string        // UploadPart, CompleteUpload, AbortUpload
	Body     []byte        // Put, UploadPart
	Parts    []env.Part    // CompleteUpload
	Number   int           // UploadPart: the part's number
	Offset   int64         // Get
	Length   int64         // Get: below 0 means to the end
	After    string        // List, ListUploads: the last key of the page before
	AfterID  string        // ListUploads: the last upload of the page before
	Limit    int           // List, ListUploads: at least 1; above 1000 counts as 1000
}

// Response is the store's answer. On an error (Err is not env.ClassNone) only
// Err and Code are set.
type Response struct {
	// Err is what the store itself answers: env.ClassNotFound (404),
	// ClassConflict (412, 409), ClassInvalid (400), ClassUnavailable (409: another
	// is writing), ClassUndetermined (500), none of them with any effect. Whoever
	// injects faults may answer env.ClassUnavailable (503: never handled) or
	// env.ClassUndetermined (200 with an error inside).
	Err env.Class
	// Code is S3's name for the error ("NoSuchUpload", "EntityTooSmall").
	Code string

	Object   env.Object        // Put, Get, Head, CompleteUpload
	Body     []byte            // Get
	Listing  env.Listing       // List
	UploadID string            // CreateUpload
	Part     env.Part          // UploadPart
	Uploads  env.UploadListing // ListUploads
}

// Transport carries one request to the store and its response back. On a nil
// error *resp is the store's response. A non-nil error means that no response
// came: the request may not have been handled, may have been, and may still be
// (lost, timed out after timeout, the context ended: then the error satisfies
// errors.Is for context.Cause(ctx)); an error of class env.ErrUnavailable means
// that it was refused and will never be handled. A Transport that may handle a
// request after Send returned copies the struct (not the slices), and it never
// touches *resp after Send returned.
type Transport interface {
	Send(ctx context.Context, req *Request, resp *Response, timeout time.Duration) error
}
