package properties

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

// durablePointers: whenever a row names an object, the object is there, whole,
// with that size and digest, and it stays so for as long as the row names it. The
// same goes for every object that a published manifest names, and for the parts
// of an upload that a checkpoint names. ETags prove nothing: a store may give the
// same bytes another one at every write.
//
// A pointer written before its data, or data deleted before its pointer, is a
// dataset that fails in the hands of who trains on it.
type durablePointers struct {
	*view
	pointed map[string]pointer // by object key
}

// pointer is what a row, or a published manifest, says of an object.
type pointer struct {
	moment
	from string // the row or the manifest
}

func newDurablePointers(v *view) *durablePointers {
	return &durablePointers{view: v, pointed: map[string]pointer{}}
}

func (i *durablePointers) Name() string { return "durable-pointers" }

func (i *durablePointers) Observe(w *sim.World, e *sim.Effect) error {
	if e.Kind == sim.EffectObject {
		return i.checkObject(e)
	}
	for n := range i.changes {
		c := &i.changes[n]
		var err error
		switch c.kind {
		case kindUnit:
			err = i.checkUnit(w, e, c.unit)
		case kindBatch:
			err = i.checkBatch(w, e, c)
		case kindCheckpoint:
			err = i.checkCheckpoint(e, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stored checks that an object is what a pointer says. It returns the clause
// that is broken and the sentence, or "".
func (i *durablePointers) stored(w *sim.World, key string, size int64, digest, from string) (clause, text string) {
	body, ok := w.Body(key)
	if !ok {
		return "pointer to a missing object", fmt.Sprintf("%s names the object %s, which is not there", from, key)
	}
	if there := workload.Digest(body); int64(len(body)) != size || there != digest {
		return "pointer to another object", fmt.Sprintf("%s says that %s has size %d and digest %s; it has %d and %s", from, key, size, digest, len(body), there)
	}
	return "", ""
}

func (i *durablePointers) checkUnit(w *sim.World, e *sim.Effect, u *unit) error {
	now, was := &u.now, &u.was
	if now.staged == was.staged && now.stagedETag == was.stagedETag && now.stagedSize == was.stagedSize && now.digest == was.digest {
		return nil
	}
	if was.staged != "" {
		if !u.sub.terminal() {
			return breach("R7", "result of a complete unit changed", u.uid, lastClaim(u.claims), e, "changed the staged object",
				fmt.Sprintf("unit %s had the staged object %s, then %q, while %s is %s", u.uid, was.staged, now.staged, u.sub.bid, u.sub.row.phase))
		}
		delete(i.pointed, was.staged)
	}
	if now.staged == "" {
		return nil
	}
	clause, text := i.stored(w, now.staged, now.stagedSize, now.digest, u.key)
	if k := splitObjectKey(now.staged); clause == "" && (k.area != areaStaging || k.uid != u.uid || k.gen != u.sub.gen || k.epoch > now.epoch) {
		clause, text = "pointer to another unit's object", fmt.Sprintf("unit %s names the staged object %s", u.uid, now.staged)
	}
	if clause != "" {
		return breach("R6", clause, u.uid, lastClaim(u.claims), e, "named the staged object", text)
	}
	i.pointed[now.staged] = pointer{momentOf(e), u.key}
	return nil
}

// named is the part of manifest.json that names what is stored.
type named struct {
	Generation string `json:"generation"`
	Units      []struct {
		Unit   string `json:"unit"`
		Source string `json:"source"`
	} `json:"units"`
	Objects []struct {
		Path   string `json:"path"`
		Size   int64  `json:"size"`
		Digest string `json:"digest"`
	} `json:"objects"`
}

func (i *durablePointers) checkBatch(w *sim.World, e *sim.Effect, c *change) error {
	s := c.sub
	if c.deleted || s.row.manifest == "" || s.row.manifest == s.was.manifest {
		return nil
	}
	key := s.row.manifest
	wrong := func(clause, text string) error {
		return breach("R6", clause, s.bid, lastClaim(s.merge.claims), e, fmt.Sprintf("published g%d", s.row.mergeGen), text)
	}
	body, ok := w.Body(key)
	if !ok {
		return wrong("published manifest is missing", fmt.Sprintf("%s names the manifest %s, which is not there", s.key, key))
	}
	var m named
	if err := json.Unmarshal(body, &m); err != nil {
		return wrong("published manifest is unreadable", fmt.Sprintf("the manifest %s cannot be read: %v", key, err))
	}
	i.pointed[key] = pointer{momentOf(e), s.key}
	prefix := strings.TrimSuffix(key, "manifest.json")
	for n := range m.Objects {
		object := &m.Objects[n]
		if clause, text := i.stored(w, prefix+object.Path, object.Size, object.Digest, key); clause != "" {
			return wrong(clause, text)
		}
		i.pointed[prefix+object.Path] = pointer{momentOf(e), key}
	}
	if want := padded(s.gen) + "-" + padded(s.row.mergeGen); m.Generation != want {
		return wrong("manifest of another generation", fmt.Sprintf("the manifest %s says that it is of generation %s, not %s", key, m.Generation, want))
	}
	for n := range m.Units {
		episode := &m.Units[n]
		if u := i.unitOf[episode.Unit]; u == nil || u.sub != s || u.now.url != episode.Source {
			return wrong("manifest names another unit", fmt.Sprintf("the manifest %s says that %s is unit %s, which it is not", key, episode.Source, episode.Unit))
		}
	}
	return nil
}

func (i *durablePointers) checkCheckpoint(e *sim.Effect, c *change) error {
	p := &c.unit.checkpoint.now
	if c.deleted || p.upload == "" && p.parts == "" {
		return nil
	}
	up := i.uploads[p.upload]
	wrong := func(clause, text string) error {
		return breach("R6", clause, c.unit.uid, lastClaim(c.unit.claims), e, fmt.Sprintf("wrote checkpoint %d.%d", p.epoch, p.seq), text)
	}
	if up == nil || up.object.key != p.key || up.object.uid != c.unit.uid {
		return wrong("checkpoint of an unknown upload", fmt.Sprintf("checkpoint %d.%d of unit %s names the upload %s of %s, which there is not", p.epoch, p.seq, c.unit.uid, p.upload, p.key))
	}
	for rest, number := p.parts, 1; rest != ""; number++ {
		var named part
		var ok bool
		if named, rest, ok = nextPart(rest); !ok || named.number != number {
			return wrong("checkpoint's parts are not in a row", fmt.Sprintf("checkpoint %d.%d of unit %s names the parts %s", p.epoch, p.seq, c.unit.uid, p.parts))
		}
		if there := up.find(number); there == nil || there.size != named.size {
			return wrong("checkpoint before its part", fmt.Sprintf("checkpoint %d.%d of unit %s names part %d of upload %s with %d bytes, which the store does not have",
				p.epoch, p.seq, c.unit.uid, number, p.upload, named.size))
		}
	}
	return nil
}

func (i *durablePointers) checkObject(e *sim.Effect) error {
	o := &e.Object
	if o.Kind == objstore.EffectUploadPart || o.Kind == objstore.EffectAbort {
		return i.checkUpload(e)
	}
	if !o.Existed {
		return nil
	}
	p, ok := i.pointed[o.Key]
	if !ok {
		return nil
	}
	if o.Kind == objstore.EffectDelete {
		return breach("R7", "object deleted while named", o.Key, p.ref("named it"), e, "deleted it",
			fmt.Sprintf("%s/%s deleted %s, which %s names", e.Process, e.Incarnation, o.Key, p.from))
	}
	if o.Digest == e.Before.Digest {
		return nil
	}
	return breach("R7", "object overwritten while named", o.Key, p.ref("named it"), e, "overwrote it",
		fmt.Sprintf("%s/%s wrote other content to %s, which %s names", e.Process, e.Incarnation, o.Key, p.from))
}

// checkUpload judges what happens to an upload that a checkpoint names.
func (i *durablePointers) checkUpload(e *sim.Effect) error {
	o := &e.Object
	up := i.uploads[o.UploadID]
	u := up.object.unit
	if u == nil || u.sub.terminal() || !u.checkpoint.exists || u.checkpoint.now.upload != up.id {
		return nil
	}
	p := &u.checkpoint
	if o.Kind == objstore.EffectAbort {
		return breach("R7", "upload aborted while named", u.uid, p.written.ref("wrote the checkpoint"), e, "aborted the upload",
			fmt.Sprintf("%s/%s aborted upload %s, which checkpoint %d.%d of unit %s names", e.Process, e.Incarnation, up.id, p.now.epoch, p.now.seq, u.uid))
	}
	if !o.Existed || o.Digest == o.OldDigest {
		return nil
	}
	for rest := p.now.parts; rest != ""; {
		var named part
		if named, rest, _ = nextPart(rest); named.number == o.Number {
			return breach("R5", "part overwritten while named", u.uid, p.written.ref("wrote the checkpoint"), e, fmt.Sprintf("overwrote part %d", o.Number),
				fmt.Sprintf("%s/%s wrote other content to part %d of upload %s, which checkpoint %d.%d of unit %s names", e.Process, e.Incarnation, o.Number, up.id, p.now.epoch, p.now.seq, u.uid))
		}
	}
	return nil
}
