package dataset

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Deps is what Write needs of the world.
type Deps struct {
	// Objects holds the staged episodes and receives the dataset. It already
	// retries what is unavailable.
	Objects env.Objects
	// Work is called after every read with the number of frames that it
	// yielded; over an episode they add up to its frames. An error ends the
	// merge. See env.Runtime.
	Work func(ctx context.Context, frames int) error
	// Codec wrote the staged episodes.
	Codec Codec
}

// Spec says where and how a dataset is written.
type Spec struct {
	// Prefix begins every key written, carries the generation (rule R1) and
	// ends in '/' (rule R18).
	Prefix string
	// Name and Generation are recorded in manifest.json, and nowhere else.
	Name       string
	Generation string
	// ChunkSize is the number of episodes per data/chunk-NNN, at least 1.
	ChunkSize int
	// ReadSize is the greatest number of bytes read at once, at least 1.
	ReadSize int
	// PartSize is the size in bytes of the parts of multipart uploads, at
	// least 1 (S3 wants 5 MiB or more).
	PartSize int
	// MultipartAbove is the size in bytes above which an object is written as
	// a multipart upload; one that fits a single part never is. Write holds
	// about this or PartSize, whichever is more, in memory, and a few ReadSize.
	MultipartAbove int64
}

// Episode is one staged episode, as its unit's row records it. Episodes are
// numbered in the order in which they are given.
type Episode struct {
	UnitID  string
	Source  string // where the recording came from, for the manifest
	Key     string
	Size    int64
	Digest  Digest
	Summary Summary
}

// Object is one object of a published dataset. ETag is what the store answered
// when it was written; it proves nothing, Size and Digest do.
type Object struct {
	Path   string // its key without the prefix
	Size   int64
	ETag   string
	Digest Digest
}

// Manifest is what Write published.
type Manifest struct {
	Key      string // of manifest.json
	Size     int64  // of manifest.json
	ETag     string // of manifest.json
	Episodes int
	Frames   int64
	Objects  []Object // all but manifest.json, in the order written
}

// Write publishes a dataset in the layout of LeRobot v2.1 and then, when all
// of it is durable, the manifest.json that names every object (rule R6).
//
// It holds neither a dataset nor a large episode in memory, only a short record
// of each: staged episodes are read in ranges and verified against their recorded size and
// digest before their published form appears; everything whose size depends
// on the inputs is written in parts.
//
// The bytes of every object but manifest.json are a function of the schema,
// ChunkSize and the episodes only. So Write may be repeated as a whole after
// any error or crash (rule R5); what it leaves behind lies under Spec.Prefix,
// unfinished uploads included.
//
// Errors: ErrInvalid when the specification is impossible, a staged episode is
// not what was recorded, or its summary does not parse; ErrNotFound when a
// staged episode is missing; ErrUnavailable when the store does not take an
// object, for whatever reason, or has another one under its key; otherwise
// whatever Objects and Work return. On
// every error some objects may have been written, and manifest.json only if
// the error is ErrUndetermined or the context's.
func Write(ctx context.Context, deps Deps, spec Spec, episodes []Episode) (Manifest, error) {
	if err := spec.check(); err != nil {
		return Manifest{}, err
	}
	p := publication{deps: deps, spec: &spec, schema: deps.Codec.Schema(), episodes: episodes}
	if err := p.plan(); err != nil {
		return Manifest{}, err
	}
	if last := dataPath(max(len(episodes)-1, 0), spec.ChunkSize, deps.Codec.Ext()); len(last) > LongestPath {
		return Manifest{}, invalid("write dataset", spec.Prefix+last, errLongPath)
	}
	p.objects = make([]Object, 0, len(episodes)+metaObjects)
	for i := range episodes {
		err := p.write(ctx, dataPath(i, spec.ChunkSize, deps.Codec.Ext()), p.publishedSize(i), func(w *objectWriter) error {
			return p.copyEpisode(ctx, w, i)
		})
		if err != nil {
			return Manifest{}, err
		}
	}
	if err := p.writeMeta(ctx); err != nil {
		return Manifest{}, err
	}
	manifest, err := p.object(ctx, manifestPath, p.metaSize(256), func(w *objectWriter) error {
		return p.appendManifest(ctx, w)
	})
	if err != nil {
		return Manifest{}, err
	}
	return Manifest{
		Key: spec.Prefix + manifestPath, Size: manifest.Size, ETag: manifest.ETag,
		Episodes: len(episodes), Frames: p.frames, Objects: p.objects,
	}, nil
}

func (s *Spec) check() error {
	ok := strings.HasSuffix(s.Prefix, "/") && s.ChunkSize > 0 && s.ReadSize > 0 &&
		s.PartSize > 0 && s.MultipartAbove >= 0
	if !ok {
		return invalid("write dataset", s.Prefix, errSpec)
	}
	return nil
}

// publication is one Write under way.
type publication struct {
	deps     Deps
	spec     *Spec
	schema   Schema
	episodes []Episode
	objects  []Object

	places []Place
	tasks  []string // by task index: in order of first appearance
	frames int64
	stats  []Stat // scratch: one episode's components
}

// plan finds out where every episode stands.
func (p *publication) plan() error {
	components := 0
	for _, f := range p.schema.Features {
		components += f.Components
	}
	p.stats = make([]Stat, components)
	p.places = make([]Place, len(p.episodes))
	index := make(map[string]int)
	for i := range p.episodes {
		e := &p.episodes[i]
		if e.Summary.Frames < 1 || e.Size < 1 {
			return invalid("write dataset", e.Key, errFrames)
		}
		task, known := index[e.Summary.Task]
		if !known {
			task = len(p.tasks)
			index[e.Summary.Task] = task
			p.tasks = append(p.tasks, e.Summary.Task)
		}
		p.places[i] = Place{Episode: i, FirstIdx: p.frames, TaskIndex: task}
		p.frames += e.Summary.Frames
	}
	return nil
}

// write writes one object and notes it for the manifest.
func (p *publication) write(ctx context.Context, path string, size int64, produce func(w *objectWriter) error) error {
	object, err := p.object(ctx, path, size, produce)
	if err != nil {
		return err
	}
	p.objects = append(p.objects, object)
	return nil
}

// object writes one object, anew if its upload vanishes under it or is refused
// for its parts. size is a guess at its size in bytes.
func (p *publication) object(ctx context.Context, path string, size int64, produce func(w *objectWriter) error) (Object, error) {
	key := p.spec.Prefix + path
	most := max(p.spec.MultipartAbove, int64(p.spec.PartSize)) + int64(p.spec.ReadSize)
	var again anewError
	for range tries {
		w := objectWriter{objects: p.deps.Objects, spec: p.spec, key: key, buf: make([]byte, 0, min(size, most))}
		err := produce(&w)
		var object Object
		if err == nil {
			object, err = w.close(ctx)
		}
		if errors.As(err, &again) {
			continue
		}
		object.Path = path
		return object, err
	}
	return Object{}, unwritten(key, again.cause)
}

// copyEpisode streams one staged episode into its published form. It returns
// an error, and the object never appears, unless all that was read is what the
// unit's row recorded.
func (p *publication) copyEpisode(ctx context.Context, w *objectWriter, i int) error {
	e := &p.episodes[i]
	rewriter := p.deps.Codec.NewRewriter(p.places[i])
	var digest Digest
	var pending []byte
	var offset, worked int64
	for offset < e.Size {
		body, err := p.read(ctx, e, offset)
		if err != nil {
			return err
		}
		digest = digest.Append(body)
		offset += int64(len(body))
		src := body
		if len(pending) > 0 {
			pending = append(pending, body...)
			src = pending
		}
		rest, err := p.rewrite(ctx, rewriter, w, src, offset == e.Size)
		if err != nil {
			return err
		}
		pending = append(pending[:0], rest...)
		done := share(e.Summary.Frames, offset, e.Size)
		if err := p.deps.Work(ctx, int(done-worked)); err != nil {
			return err
		}
		worked = done
	}
	if digest != e.Digest {
		return invalid("verify staged", e.Key, errChanged)
	}
	if len(pending) > 0 {
		return invalid("rewrite", e.Key, errLeftOver)
	}
	return nil
}

// read returns at least one byte of e from offset on. Whether they are those
// that were recorded, the digest tells in the end: an ETag tells of writes.
func (p *publication) read(ctx context.Context, e *Episode, offset int64) ([]byte, error) {
	want := min(int64(p.spec.ReadSize), e.Size-offset)
	for range tries {
		body, object, err := p.deps.Objects.Get(ctx, e.Key, offset, want)
		if err != nil {
			return nil, err
		}
		if object.Size != e.Size || int64(len(body)) > want {
			return nil, invalid("verify staged", e.Key, errChanged)
		}
		if len(body) > 0 {
			return body, nil
		}
	}
	return nil, &env.Error{Class: env.ClassUnavailable, Op: "read staged", Key: e.Key, Err: errShort}
}

// rewrite feeds src to the rewriter until it takes no more, and returns the
// rest.
func (p *publication) rewrite(ctx context.Context, rewriter Rewriter, w *objectWriter, src []byte, eof bool) ([]byte, error) {
	for len(src) > 0 {
		out, consumed, err := rewriter.Rewrite(w.buf, src, eof)
		if err != nil {
			return nil, err
		}
		w.buf = out
		if err := w.flush(ctx); err != nil {
			return nil, err
		}
		if consumed == 0 {
			break
		}
		src = src[consumed:]
	}
	return src, nil
}

// publishedSize guesses the published size of episode i, in bytes: its place
// adds a few digits to every frame.
func (p *publication) publishedSize(i int) int64 {
	const perFrame = 16
	e := &p.episodes[i]
	return e.Size + perFrame*e.Summary.Frames
}

// metaSize guesses the size of a meta file, in bytes, from that of a record.
func (p *publication) metaSize(perEpisode int64) int64 {
	const head = 512
	return head + perEpisode*int64(len(p.episodes))
}

// share is frames*done/size without overflow for sizes up to 2^63/1000.
func share(frames, done, size int64) int64 {
	if done == size {
		return frames
	}
	const steps = 1000
	return frames * (done * steps / size) / steps
}

func appendPadded(dst []byte, v, digits int) []byte {
	var text [20]byte
	number := strconv.AppendInt(text[:0], int64(v), 10)
	for range digits - len(number) {
		dst = append(dst, '0')
	}
	return append(dst, number...)
}
