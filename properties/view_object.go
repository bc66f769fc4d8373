package properties

import (
	"strings"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// object is one object key that was ever written or deleted in the run.
type object struct {
	key string
	schema.ObjectKey
	sub    *submission
	unit   *unit
	stored sim.Moment // its present content
}

// upload is one multipart upload.
type upload struct {
	id      string
	object  *object
	open    bool
	created sim.Moment
	// spoilt: a part was stored again and got another ETag, so that whoever was
	// told the first one cannot complete the upload.
	spoilt bool
	parts  []schema.Part
}

// usable reports whether the upload can still be completed by whoever stored its
// parts.
func (up *upload) usable() bool { return up != nil && up.open && !up.spoilt }

// objectChange is an object, or an upload to it, that changed.
type objectChange struct {
	by     *sim.Effect
	object *object
	upload *upload // nil for a plain write or deletion
}

// effect is what happened in the store.
func (c *objectChange) effect() *objstore.Effect { return &c.by.Object }

// who made the change: "<process>/<incarnation>".
func (c *objectChange) who() string { return c.by.Process + "/" + c.by.Incarnation }

// did is what was done to the object, as a verb before its key.
func (c *objectChange) did() string {
	switch c.effect().Kind {
	case objstore.EffectPut:
		return "wrote"
	case objstore.EffectDelete:
		return "deleted"
	case objstore.EffectCreateUpload:
		return "opened an upload of"
	case objstore.EffectUploadPart:
		return "uploaded a part of"
	case objstore.EffectComplete:
		return "completed an upload of"
	}
	return "aborted an upload of"
}

// takeObject follows objects and uploads.
func takeObject(v *view, e *sim.Effect) {
	o := &e.Object
	known := v.objects[o.Key]
	if known == nil {
		known = &object{key: o.Key, ObjectKey: schema.SplitObjectKey(o.Key)}
		v.objects[o.Key] = known
	}
	v.place(known)
	up := v.uploads[o.UploadID]
	if up == nil && o.UploadID != "" {
		// It is being opened, or somebody else had it open before time began.
		up = &upload{id: o.UploadID, object: known, open: true, created: e.Moment()}
		v.uploads[o.UploadID] = up
	}
	switch o.Kind {
	case objstore.EffectPut:
		known.stored = e.Moment()
	case objstore.EffectUploadPart:
		up.store(schema.Part{Number: o.Number, ETag: o.ETag, Size: o.Size})
	case objstore.EffectComplete:
		known.stored, up.open = e.Moment(), false
	case objstore.EffectAbort, objstore.EffectExpire:
		up.open = false
	}
	v.stored = objectChange{by: e, object: known, upload: up}
}

func (up *upload) store(p schema.Part) {
	if old := up.find(p.Number); old != nil {
		up.spoilt = up.spoilt || old.ETag != p.ETag
		*old = p
		return
	}
	up.parts = append(up.parts, p)
}

func (up *upload) find(number int) *schema.Part {
	for i := range up.parts {
		if up.parts[i].Number == number {
			return &up.parts[i]
		}
	}
	return nil
}

// place finds the batch and the unit that an object belongs to.
func (v *view) place(o *object) {
	if o.sub != nil || o.Area == schema.OtherArea {
		return
	}
	if o.Area == schema.Staging {
		u := v.unitOf[o.UID]
		if u == nil || u.sub.gen != o.Gen || strings.TrimSuffix(u.sub.now.Output, "/") != o.Output {
			return
		}
		o.unit, o.sub = u, u.sub
		return
	}
	for _, s := range v.order {
		if s.gen == o.Gen && s.exists && strings.TrimSuffix(s.now.Output, "/") == o.Output {
			o.sub = s
			return
		}
	}
}
