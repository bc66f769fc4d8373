package core

import (
	"context"
	"log/slog"
	"slices"
	"strconv"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// What a process finds out about the object store before it touches it, with a
// few objects under StoreTraits.Probe that stay, and one upload that does not.
//
// The objects are the same for all processes, so that there are never more. The
// upload's key carries the process's name: two processes that ask at once do not
// disturb each other, and what a crash leaves open the next life aborts.

// listed are the names of the probe's objects, in order. That a store without an
// order lists four of them in order is one chance in 24; every listing is
// checked for its order after that.
var listed = [...]string{"1", "2", "3", "4"}

// probeRoom is the length of the longest key under the probe's prefix, without
// it.
const probeRoom = len("/uploads//probe") + maxProcessName

// probe asks the store, and takes what it finds for granted from then on. An
// outage is waited out. It returns env.ErrInvalid, one line, if core cannot work
// with the store.
func (n *Node) probe(ctx context.Context) error {
	ctx, err := n.env.Runtime.Step(ctx, StepProbe)
	if err != nil {
		return err
	}
	if err := n.probeListings(ctx); err != nil {
		return err
	}
	conditional, err := n.patient.refuses(ctx, n.cfg.Store.Probe+"/listing/"+listed[0], []byte("probe"))
	if err != nil {
		return err
	}
	byPrefix, err := n.probeUploads(ctx)
	if err != nil {
		return err
	}
	n.uploadsByPrefix = n.uploadsByPrefix && byPrefix
	n.log(ctx, slog.LevelInfo, "object store probed: uploads by prefix "+strconv.FormatBool(byPrefix)+
		", conditional writes "+strconv.FormatBool(conditional), n.cfg.Store.Probe, nil)
	return nil
}

// probeListings makes sure that objects are listed in the order of their keys,
// page by page.
func (n *Node) probeListings(ctx context.Context) error {
	prefix := n.cfg.Store.Probe + "/listing/"
	for _, there := range [...]bool{false, true} {
		if there {
			for _, name := range listed {
				if _, err := n.patient.Put(ctx, prefix+name, []byte("probe"), env.IfAbsent); err != nil {
					return err
				}
			}
		}
		var names []string
		for after, more := "", true; more; {
			page, err := n.patient.List(ctx, prefix, after, len(listed)-1)
			if err != nil {
				return err
			}
			for _, obj := range page.Objects {
				names = append(names, obj.Key[len(prefix):])
				after = obj.Key
			}
			more = page.More
		}
		if slices.Equal(names, listed[:]) {
			return nil
		}
	}
	return invalid("probe", prefix, "the object store does not list in the order of the keys, page by page: core cannot work with it")
}

// probeUploads reports whether open uploads are listed by a prefix of their keys,
// or by the whole key only.
func (n *Node) probeUploads(ctx context.Context) (byPrefix bool, err error) {
	prefix := n.cfg.Store.Probe + "/uploads/" + n.env.Self.Name + "/"
	key := prefix + "probe"
	const tries = 3 // an earlier life's last request, or the store's housekeeping, may end the upload
	for range tries {
		id, err := n.patient.CreateUpload(ctx, key)
		if err != nil {
			return false, err
		}
		some, err := n.patient.ListUploads(ctx, prefix, "", "", n.cfg.Page)
		if err != nil {
			return false, err
		}
		byPrefix = slices.Contains(some.Uploads, env.Upload{Key: key, ID: id})
		all, err := n.patient.ListUploads(ctx, key, "", "", n.cfg.Page)
		if err != nil {
			return false, err
		}
		for _, u := range append(all.Uploads, env.Upload{Key: key, ID: id}) {
			if err := n.patient.AbortUpload(ctx, u.Key, u.ID); err != nil {
				return false, err
			}
		}
		if byPrefix || slices.Contains(all.Uploads, env.Upload{Key: key, ID: id}) {
			return byPrefix, nil
		}
	}
	return false, invalid("probe", key, "the object store lists no open uploads: what crashes leave open could never be collected")
}
