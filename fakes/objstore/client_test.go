package objstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// wire is a Transport whose failures a test chooses.
type wire struct {
	store   *objstore.Store
	sent    int
	timeout time.Duration
	lose    error              // returned instead of the response
	before  func()             // called before the loss
	answer  *objstore.Response // returned instead of the store's response
}

func (w *wire) Send(_ context.Context, req *objstore.Request, resp *objstore.Response, timeout time.Duration) error {
	w.sent++
	w.timeout = timeout
	if w.before != nil {
		w.before()
	}
	if w.lose != nil {
		return w.lose
	}
	w.store.Handle(req, resp)
	if w.answer != nil {
		*resp = *w.answer
	}
	return nil
}

// calls makes every call of env.Objects once.
func calls(ctx context.Context, c env.Objects) map[string]error {
	errs := map[string]error{}
	_, errs["put"] = c.Put(ctx, "k", []byte("x"), env.Always)
	_, _, errs["get"] = c.Get(ctx, "k", 0, -1)
	_, errs["head"] = c.Head(ctx, "k")
	_, errs["list"] = c.List(ctx, "", "", 10)
	errs["delete"] = c.Delete(ctx, "k")
	_, errs["create_upload"] = c.CreateUpload(ctx, "k")
	_, errs["upload_part"] = c.UploadPart(ctx, "k", "u", 1, nil)
	_, errs["complete_upload"] = c.CompleteUpload(ctx, "k", "u", nil, env.Always)
	errs["abort_upload"] = c.AbortUpload(ctx, "k", "u")
	_, errs["list_uploads"] = c.ListUploads(ctx, "", "", "", 10)
	return errs
}

func isRead(op string) bool {
	return op == "get" || op == "head" || op == "list" || op == "list_uploads"
}

func TestClientRoundTrip(t *testing.T) {
	ctx := t.Context()
	w := &wire{store: objstore.New(objstore.Options{MinPart: -1, Completions: objstore.CompletionsOnce})}
	c := objstore.NewClient(w, objstore.ClientConfig{})

	obj, err := c.Put(ctx, "a", []byte("hello"), env.IfAbsent)
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, w.timeout)
	_, err = c.Put(ctx, "a", []byte("hello"), env.IfAbsent)
	require.ErrorIs(t, err, env.ErrConflict)
	require.EqualError(t, err, "put a: conflict: PreconditionFailed")
	body, got, err := c.Get(ctx, "a", 1, 3)
	require.NoError(t, err)
	require.Equal(t, "ell", string(body))
	require.Equal(t, obj, got)
	got, err = c.Head(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, obj, got)
	_, err = c.Head(ctx, "b")
	require.ErrorIs(t, err, env.ErrNotFound)

	id, err := c.CreateUpload(ctx, "b")
	require.NoError(t, err)
	ups, err := c.ListUploads(ctx, "b", "", "", 1)
	require.NoError(t, err)
	require.Equal(t, env.UploadListing{Uploads: []env.Upload{{Key: "b", ID: id}}}, ups)
	one, err := c.UploadPart(ctx, "b", id, 1, []byte("1"))
	require.NoError(t, err)
	two, err := c.UploadPart(ctx, "b", id, 2, []byte("2"))
	require.NoError(t, err)
	_, err = c.CompleteUpload(ctx, "b", id, []env.Part{two, one}, env.Always)
	require.ErrorIs(t, err, env.ErrInvalid)
	_, err = c.CompleteUpload(ctx, "b", id, []env.Part{one, two}, env.IfAbsent)
	require.NoError(t, err)
	_, err = c.CompleteUpload(ctx, "b", id, []env.Part{one, two}, env.IfAbsent)
	require.ErrorIs(t, err, env.ErrNotFound)
	require.NoError(t, c.AbortUpload(ctx, "b", id), "a missing upload counts as aborted")

	page, err := c.List(ctx, "", "a", 10)
	require.NoError(t, err)
	require.Len(t, page.Objects, 1)
	require.NoError(t, c.Delete(ctx, "b"))
	require.NoError(t, c.Delete(ctx, "b"))
}

// TestCompletionMayBeRepeated: S3 answers a repetition as the first completion,
// MinIO with NoSuchUpload, a posix gateway with the ETag that the parts would have
// come to, whatever is there. None of them does anything.
func TestCompletionMayBeRepeated(t *testing.T) {
	for _, kind := range []objstore.Completions{objstore.CompletionsRepeat, objstore.CompletionsOnce, objstore.CompletionsBlind} {
		ctx := t.Context()
		store := objstore.New(objstore.Options{Completions: kind})
		c := objstore.NewClient(&wire{store: store}, objstore.ClientConfig{})
		id, err := c.CreateUpload(ctx, "k")
		require.NoError(t, err)
		part, err := c.UploadPart(ctx, "k", id, 1, []byte("x"))
		require.NoError(t, err)
		_, err = c.CompleteUpload(ctx, "k", "u9", []env.Part{part}, env.Always)
		require.ErrorIs(t, err, env.ErrNotFound, "never opened, and no object there")
		first, err := c.CompleteUpload(ctx, "k", id, []env.Part{part}, env.IfAbsent)
		require.NoError(t, err)
		effects := len(store.Effects)

		second, err := c.CompleteUpload(ctx, "k", id, []env.Part{part}, env.IfAbsent)
		switch kind {
		case objstore.CompletionsRepeat:
			require.NoError(t, err)
			require.Equal(t, first, second)
			_, err = c.CompleteUpload(ctx, "k", id, nil, env.Always)
			require.ErrorIs(t, err, env.ErrNotFound, "other parts")
			_, err = c.CompleteUpload(ctx, "k", "u9", []env.Part{part}, env.Always)
			require.ErrorIs(t, err, env.ErrNotFound, "another upload")
		case objstore.CompletionsOnce:
			require.ErrorIs(t, err, env.ErrNotFound)
		case objstore.CompletionsBlind:
			require.NoError(t, err)
			require.Equal(t, first, second)
			never, err := c.CompleteUpload(ctx, "k", "u9", []env.Part{{Number: 1, ETag: "another"}}, env.IfAbsent)
			require.NoError(t, err)
			require.NotEqual(t, first.ETag, never.ETag, "an ETag that nothing has")
			now, err := c.Head(ctx, "k")
			require.NoError(t, err)
			require.Equal(t, first, now)
		}
		require.Len(t, store.Effects, effects)
	}
}

// TestPartTooSmallIsTold: it is the one refusal of a completion that callers
// tell from the others, by type.
func TestPartTooSmallIsTold(t *testing.T) {
	ctx := t.Context()
	c := objstore.NewClient(&wire{store: objstore.New(objstore.Options{})}, objstore.ClientConfig{})
	id, err := c.CreateUpload(ctx, "k")
	require.NoError(t, err)
	parts := make([]env.Part, 2)
	for i := range parts {
		parts[i], err = c.UploadPart(ctx, "k", id, i+1, []byte("x"))
		require.NoError(t, err)
	}
	_, err = c.CompleteUpload(ctx, "k", id, parts, env.Always)
	require.ErrorIs(t, err, env.ErrInvalid)
	require.ErrorIs(t, err, env.ErrPartTooSmall)
	parts[0].ETag = "another"
	_, err = c.CompleteUpload(ctx, "k", id, parts, env.Always)
	require.ErrorIs(t, err, env.ErrInvalid)
	require.NotErrorIs(t, err, env.ErrPartTooSmall)
}

// TestRefusedIsNeverUndetermined: a refused request had no effect.
func TestRefusedIsNeverUndetermined(t *testing.T) {
	for _, refusal := range []error{
		env.ErrUnavailable,
		&env.Error{Class: env.ClassUnavailable, Op: "dial", Err: errors.New("connection refused")},
	} {
		w := &wire{lose: refusal}
		for op, err := range calls(t.Context(), objstore.NewClient(w, objstore.ClientConfig{})) {
			require.ErrorIs(t, err, env.ErrUnavailable, op)
			require.Equal(t, env.ClassUnavailable, env.ClassOf(err), op)
		}
	}
}

// TestNoAnswer: reads may be repeated, effects are undetermined (rule R4),
// whatever the transport calls its failure.
func TestNoAnswer(t *testing.T) {
	for _, loss := range []error{errors.New("broken pipe"), context.DeadlineExceeded, env.ErrUndetermined} {
		w := &wire{lose: loss}
		for op, err := range calls(t.Context(), objstore.NewClient(w, objstore.ClientConfig{Timeout: time.Second})) {
			want, other := env.ErrUndetermined, env.ErrUnavailable
			if isRead(op) {
				want, other = other, want
			}
			require.ErrorIs(t, err, want, op)
			require.NotErrorIs(t, err, other, op)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "%s: not the caller's deadline", op)
		}
		require.Equal(t, time.Second, w.timeout)
	}
}

// TestContextEnds before a request is sent, which then had no effect, and
// while it is under way.
func TestContextEnds(t *testing.T) {
	cause := errors.New("lease lost")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	w := &wire{}
	for op, err := range calls(ctx, objstore.NewClient(w, objstore.ClientConfig{})) {
		require.Equal(t, cause, err, op)
	}
	require.Zero(t, w.sent)

	for _, read := range []bool{true, false} {
		ctx, cancel := context.WithCancelCause(t.Context())
		w := &wire{lose: errors.New("connection closed"), before: func() { cancel(cause) }}
		c := objstore.NewClient(w, objstore.ClientConfig{})
		if read {
			_, err := c.Head(ctx, "k")
			require.Equal(t, cause, err)
			continue
		}
		_, err := c.Put(ctx, "k", nil, env.Always)
		require.ErrorIs(t, err, env.ErrUndetermined)
		require.ErrorIs(t, err, cause)
		require.Equal(t, env.ClassUndetermined, env.ClassOf(err))
	}
}

// TestFaultsAnsweredByTheStore: 503 and a completion that answers 200 with an
// error inside.
func TestFaultsAnsweredByTheStore(t *testing.T) {
	w := &wire{store: objstore.New(objstore.Options{})}
	c := objstore.NewClient(w, objstore.ClientConfig{})
	w.answer = &objstore.Response{Err: env.ClassUnavailable, Code: "SlowDown"}
	_, err := c.Put(t.Context(), "k", nil, env.Always)
	require.EqualError(t, err, "put k: unavailable: SlowDown")
	w.answer = &objstore.Response{Err: env.ClassUndetermined}
	_, err = c.CompleteUpload(t.Context(), "k", "u", nil, env.Always)
	require.EqualError(t, err, "complete_upload k: undetermined")
}
