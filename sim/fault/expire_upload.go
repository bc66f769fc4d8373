package fault

import "github.com/gauntlet-dst/gauntlet/fakes/objstore"

// ExpireUpload makes the store drop the multipart upload that a request names,
// as a bucket's lifecycle rule does it, before it handles the request.
type ExpireUpload struct{ none }

var expireUploadInfo = Info{
	Name: "expire-upload", About: "an open multipart upload is dropped by its bucket's lifecycle", Effect: "no",
	Strikes: uploadParts, Requests: true,
	Share: 500, // few calls can meet it
	Aim:   Aim{Weight: 1, At: requests},
	New:   func() Kind { return &ExpireUpload{} },
}

func (*ExpireUpload) Info() *Info { return &expireUploadInfo }

func (*ExpireUpload) Store(m *Message, s *objstore.Store) bool {
	return m.Object.UploadID != "" && s.ExpireUpload(m.Object.Key, m.Object.UploadID)
}
