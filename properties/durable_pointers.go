package properties

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
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
	watch
	pointed map[string]pointer // by object key
}

// pointer is what a row, or a published manifest, says of an object.
type pointer struct {
	sim.Moment
	from string // the row or the manifest
}

var (
	durablePointersSays = say("durable-pointers")

	pointerToAMissingObject       = durablePointersSays.clause("R6", "pointer to a missing object")
	pointerToAnotherObject        = durablePointersSays.clause("R6", "pointer to another object")
	pointerToAnotherUnitsObject   = durablePointersSays.clause("R6", "pointer to another unit's object")
	resultOfACompleteUnitChanged  = durablePointersSays.clause("R7", "result of a complete unit changed")
	objectDeletedWhileNamed       = durablePointersSays.clause("R7", "object deleted while named")
	objectOverwrittenWhileNamed   = durablePointersSays.clause("R7", "object overwritten while named")
	uploadAbortedWhileNamed       = durablePointersSays.clause("R7", "upload aborted while named")
	partOverwrittenWhileNamed     = durablePointersSays.clause("R5", "part overwritten while named")
	publishedManifestIsMissing    = durablePointersSays.clause("R6", "published manifest is missing")
	publishedManifestIsUnreadable = durablePointersSays.clause("R6", "published manifest is unreadable")
	manifestOfAnotherGeneration   = durablePointersSays.clause("R6", "manifest of another generation")
	manifestNamesAnotherUnit      = durablePointersSays.clause("R6", "manifest names another unit")
	checkpointOfAnUnknownUpload   = durablePointersSays.clause("R6", "checkpoint of an unknown upload")
	checkpointsPartsAreNotInARow  = durablePointersSays.clause("R6", "checkpoint's parts are not in a row")
	checkpointBeforeItsPart       = durablePointersSays.clause("R6", "checkpoint before its part")
)

func newDurablePointers(v *view) sim.Invariant {
	i := &durablePointers{pointed: map[string]pointer{}}
	i.watch = v.watch(durablePointersSays, on{unit: i.checkUnit, batch: i.checkBatch, checkpoint: i.checkCheckpoint, object: i.checkObject})
	return i
}

// missing checks that an object is what a pointer says. It returns the clause
// that is broken and the sentence, or nil.
func (i *durablePointers) missing(key string, size int64, digest, from string) (broken *clause, text string) {
	o, ok := i.world.Object(key)
	if !ok {
		return pointerToAMissingObject, fmt.Sprintf("%s names the object %s, which is not there", from, key)
	}
	// Effects are judged in their order, which may be late: then the object, which
	// was there, may be gone, and only its size is known.
	body, still := i.world.Body(key)
	if !still && o.Size == size {
		return nil, ""
	}
	if there := workload.Digest(body); int64(len(body)) != size || there != digest {
		return pointerToAnotherObject, fmt.Sprintf("%s says that %s has size %d and digest %s; it has %d and %s", from, key, size, digest, len(body), there)
	}
	return nil, ""
}

func (i *durablePointers) checkUnit(c *unitChange) error {
	u := c.unit
	now, was := &u.now, &c.before
	if now.Staged == was.Staged && now.StagedETag == was.StagedETag && now.StagedSize == was.StagedSize && now.Digest == was.Digest {
		return nil
	}
	if was.Staged != "" {
		if !u.sub.terminal() {
			return resultOfACompleteUnitChanged.breach(c.by, u.uid, lastClaim(u.claims), "changed the staged object",
				"unit %s had the staged object %s, then %q, while %s is %s", u.uid, was.Staged, now.Staged, u.sub.bid, u.sub.now.Phase)
		}
		delete(i.pointed, was.Staged)
	}
	if now.Staged == "" {
		return nil
	}
	broken, text := i.missing(now.Staged, now.StagedSize, now.Digest, u.key)
	if k := schema.SplitObjectKey(now.Staged); broken == nil && (k.Area != schema.Staging || k.UID != u.uid || k.Gen != u.sub.gen || k.Epoch > now.Epoch) {
		broken, text = pointerToAnotherUnitsObject, fmt.Sprintf("unit %s names the staged object %s", u.uid, now.Staged)
	}
	if broken != nil {
		return broken.breach(c.by, u.uid, lastClaim(u.claims), "named the staged object", "%s", text)
	}
	i.pointed[now.Staged] = pointer{c.by.Moment(), u.key}
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

func (i *durablePointers) checkBatch(c *batchChange) error {
	if c.deleted || c.sub.now.Manifest == "" || c.sub.now.Manifest == c.before.Manifest {
		return nil
	}
	s, key := c.sub, c.sub.now.Manifest
	wrong := func(broken *clause, format string, args ...any) error {
		return broken.breach(c.by, s.bid, lastMergeClaim(s.merge.claims), fmt.Sprintf("published g%d", s.now.MergeGen), format, args...)
	}
	body, ok := i.world.Body(key)
	if !ok {
		return wrong(publishedManifestIsMissing, "%s names the manifest %s, which is not there", s.key, key)
	}
	var m named
	if err := json.Unmarshal(body, &m); err != nil {
		return wrong(publishedManifestIsUnreadable, "the manifest %s cannot be read: %v", key, err)
	}
	i.pointed[key] = pointer{c.by.Moment(), s.key}
	prefix := strings.TrimSuffix(key, "manifest.json")
	for n := range m.Objects {
		object := &m.Objects[n]
		if broken, text := i.missing(prefix+object.Path, object.Size, object.Digest, key); broken != nil {
			return wrong(broken, "%s", text)
		}
		i.pointed[prefix+object.Path] = pointer{c.by.Moment(), key}
	}
	if want := schema.DatasetGeneration(s.gen, s.now.MergeGen); m.Generation != want {
		return wrong(manifestOfAnotherGeneration, "the manifest %s says that it is of generation %s, not %s", key, m.Generation, want)
	}
	for n := range m.Units {
		episode := &m.Units[n]
		if u := i.unitOf[episode.Unit]; u == nil || u.sub != s || u.now.URL != episode.Source {
			return wrong(manifestNamesAnotherUnit, "the manifest %s says that %s is unit %s, which it is not", key, episode.Source, episode.Unit)
		}
	}
	return nil
}

func (i *durablePointers) checkCheckpoint(c *checkpointChange) error {
	u, p := c.unit, &c.unit.checkpoint.now
	if c.deleted || p.Upload == "" && p.Parts == "" {
		return nil
	}
	up := i.uploads[p.Upload]
	wrong := func(broken *clause, format string, args ...any) error {
		args = append([]any{p.Epoch, p.Seq, u.uid}, args...)
		return broken.breach(c.by, u.uid, lastClaim(u.claims), fmt.Sprintf("wrote checkpoint %d.%d", p.Epoch, p.Seq), "checkpoint %d.%d of unit %s "+format, args...)
	}
	if up == nil || up.object.key != p.Key || up.object.UID != u.uid {
		return wrong(checkpointOfAnUnknownUpload, "names the upload %s of %s, which there is not", p.Upload, p.Key)
	}
	for rest, number := p.Parts, 1; rest != ""; number++ {
		var part schema.Part
		var ok bool
		there := rest
		if part, rest, ok = schema.NextPart(rest); !ok || part.Number != number {
			return wrong(checkpointsPartsAreNotInARow, "names %d parts in a row, and %q where the next should be", number-1, there)
		}
		if there := up.find(number); there == nil || there.Size != part.Size {
			return wrong(checkpointBeforeItsPart, "names part %d of upload %s with %d bytes, which the store does not have", number, p.Upload, part.Size)
		}
	}
	return nil
}

func (i *durablePointers) checkObject(c *objectChange) error {
	o := c.effect()
	if o.Kind == objstore.EffectUploadPart || o.Kind == objstore.EffectAbort {
		return i.checkUpload(c)
	}
	p, ok := i.pointed[o.Key]
	if !o.Existed || !ok {
		return nil
	}
	if o.Kind == objstore.EffectDelete {
		return objectDeletedWhileNamed.breach(c.by, o.Key, p.Ref("named it"), "deleted it",
			"%s deleted %s, which %s names", c.who(), o.Key, p.from)
	}
	if o.Digest == c.by.Before.Digest {
		return nil
	}
	return objectOverwrittenWhileNamed.breach(c.by, o.Key, p.Ref("named it"), "overwrote it",
		"%s wrote other content to %s, which %s names", c.who(), o.Key, p.from)
}

// checkUpload judges what happens to an upload that a checkpoint names.
func (i *durablePointers) checkUpload(c *objectChange) error {
	o, up := c.effect(), c.upload
	u := up.object.unit
	if u == nil || u.sub.terminal() || !u.checkpoint.exists || u.checkpoint.now.Upload != up.id {
		return nil
	}
	p := &u.checkpoint.now
	written := i.world.LastWrite(u.checkpoint.key)
	if o.Kind == objstore.EffectAbort {
		return uploadAbortedWhileNamed.breach(c.by, u.uid, written.Ref("wrote the checkpoint"), "aborted the upload",
			"%s aborted upload %s, which checkpoint %d.%d of unit %s names", c.who(), up.id, p.Epoch, p.Seq, u.uid)
	}
	if !o.Existed || o.Digest == o.OldDigest {
		return nil
	}
	for rest := p.Parts; rest != ""; {
		var part schema.Part
		if part, rest, _ = schema.NextPart(rest); part.Number == o.Number {
			return partOverwrittenWhileNamed.breach(c.by, u.uid, written.Ref("wrote the checkpoint"), fmt.Sprintf("overwrote part %d", o.Number),
				"%s wrote other content to part %d of upload %s, which checkpoint %d.%d of unit %s names", c.who(), o.Number, up.id, p.Epoch, p.Seq, u.uid)
		}
	}
	return nil
}
