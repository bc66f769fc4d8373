package conversion

import (
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim"
)

// neighbour is somebody else who keeps objects and open uploads beside the staged
// episodes of a batch. It does what core never does: keys that are folders of each
// other, or no paths, or as long as can be; parts that are empty or small; a
// completion under a condition that does not hold; conditions on an ETag. What of
// it a store takes, core must live with, and leave alone.
type neighbour struct {
	stores *sim.Stores
	prefix string
}

func (n *neighbour) ask(req objstore.Request) objstore.Response {
	req.Key = n.prefix + req.Key
	return n.stores.Ask(req)
}

func (n *neighbour) put(key string, cond env.Condition) {
	n.ask(objstore.Request{Kind: objstore.KindPut, Key: key, Body: []byte("kept"), Cond: cond})
}

// moveInBeside leaves what looks like a merge's or an attempt's, but for one thing:
// no merge writes such a path, and nobody such a generation (99 was one: a merge that
// took seventeen minutes had that many claims), epoch or unit.
func (n *neighbour) moveInBeside() {
	for _, key := range []string{
		"g00000001-99999999/kept.rec", "g00000001-kept/manifest.json", "g00000001-7/manifest.json", "g00000001-00000001kept",
		"staging/00000001/0123456789abcdef/e7/episode", "staging/00000001/0123456789abcdef/e00000001/kept",
		"staging/00000001/0123456789abcdeg/e00000001/episode", "staging/00000001/0123/e00000001/episode",
	} {
		n.put(key, env.Always)
	}
}

// moveIn leaves everything there.
func (n *neighbour) moveIn() {
	n.put("kept.rec", env.Always)
	n.put("kept.rec", env.IfMatch("another version"))
	for _, key := range []string{"kept.rec/inside", "kept//x", "./kept", "kept/", "kept/" + strings.Repeat("k", 256)} {
		n.put(key, env.Always)
	}
	for _, length := range []int{1024, 1025} {
		n.put("kept"+strings.Repeat("/long", length)[:length-len(n.prefix)-len("kept")], env.Always)
	}
	n.upload("kept.up", false)
	n.upload("kept.rec", true)
	// Several open uploads of a key, for those who page through them.
	last := ""
	for range 3 {
		last = n.ask(objstore.Request{Kind: objstore.KindCreateUpload, Key: "kept.open"}).UploadID
	}
	n.ask(objstore.Request{Kind: objstore.KindListUploads, After: n.prefix + "kept.open", AfterID: last, Limit: 10})
}

// upload tries to complete an upload in every way that a store may refuse.
func (n *neighbour) upload(key string, wrongFirst bool) {
	id := n.ask(objstore.Request{Kind: objstore.KindCreateUpload, Key: key}).UploadID
	var parts []env.Part
	for i, body := range []string{"k", "kept", ""} {
		stored := n.ask(objstore.Request{Kind: objstore.KindUploadPart, Key: key, UploadID: id, Number: i + 1, Body: []byte(body)})
		if stored.Err == env.ClassNone {
			parts = append(parts, stored.Part)
		}
	}
	complete := func(parts ...env.Part) {
		n.ask(objstore.Request{Kind: objstore.KindCompleteUpload, Key: key, UploadID: id, Parts: parts, Cond: env.IfAbsent})
	}
	if wrongFirst {
		complete(env.Part{Number: 1, ETag: "another"})
	} else if len(parts) > 0 {
		complete(parts[1], parts[0])
	}
	complete(parts...)
	complete(parts...) // as if the first answer had been lost
}
