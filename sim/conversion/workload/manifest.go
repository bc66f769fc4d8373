package workload

import (
	"encoding/json"
	"fmt"
	"hash/crc64"
	"strings"
)

// manifest mirrors manifest.json.
type manifest struct {
	Name       string `json:"name"`
	Generation string `json:"generation"`
	Episodes   int    `json:"total_episodes"`
	Frames     int    `json:"total_frames"`
	Tasks      int    `json:"total_tasks"`
	Units      []struct {
		Unit    string `json:"unit"`
		Source  string `json:"source"`
		Episode int    `json:"episode_index"`
	} `json:"units"`
	Objects []struct {
		Path   string `json:"path"`
		Size   int    `json:"size"`
		Digest string `json:"digest"`
	} `json:"objects"`
}

// CheckManifest compares manifest.json with the batch that it must describe and
// with the objects of the dataset, manifest.json aside: it must name each of
// them, and nothing else, with its size and digest, and each recording with its
// episode. An ETag is the store's own affair. The error tells the first
// difference in one sentence.
func CheckManifest(b *Batch, text []byte, objects map[string][]byte) error {
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("manifest.json does not parse: %w", err)
	}
	episodes := b.episodes()
	frames, tasks := 0, make(map[string]bool)
	for _, e := range episodes {
		frames += e.recording.Frames
		tasks[e.recording.Task] = true
	}
	if m.Name != b.Name || m.Generation == "" {
		return fmt.Errorf("manifest.json is of dataset %q, generation %q; want %q", m.Name, m.Generation, b.Name)
	}
	if m.Episodes != len(episodes) || m.Frames != frames || m.Tasks != len(tasks) {
		return fmt.Errorf("manifest.json counts %d episodes, %d frames, %d tasks; want %d, %d, %d",
			m.Episodes, m.Frames, m.Tasks, len(episodes), frames, len(tasks))
	}
	if err := m.checkUnits(episodes); err != nil {
		return err
	}
	return m.checkObjects(objects)
}

func (m *manifest) checkUnits(episodes []episode) error {
	if len(m.Units) != len(episodes) {
		return fmt.Errorf("manifest.json names %d units, want %d", len(m.Units), len(episodes))
	}
	seen := make(map[string]bool)
	for i, unit := range m.Units {
		if unit.Episode != i || !strings.HasSuffix(unit.Source, episodes[i].key) {
			return fmt.Errorf("manifest.json has %s as episode %d, want %s as episode %d",
				unit.Source, unit.Episode, episodes[i].key, i)
		}
		if unit.Unit == "" || seen[unit.Unit] {
			return fmt.Errorf("manifest.json names unit %q twice or without an id", unit.Unit)
		}
		seen[unit.Unit] = true
	}
	return nil
}

// Digest is what rows and manifests tell of an object's bytes: their CRC-64/XZ in
// 16 hex digits.
func Digest(body []byte) string {
	return fmt.Sprintf("%016x", crc64.Checksum(body, crc64.MakeTable(crc64.ECMA)))
}

func (m *manifest) checkObjects(objects map[string][]byte) error {
	seen := make(map[string]bool)
	for _, named := range m.Objects {
		stored, ok := objects[named.Path]
		if !ok || seen[named.Path] {
			return fmt.Errorf("manifest.json names object %s, which does not exist or was named before", named.Path)
		}
		seen[named.Path] = true
		if digest := Digest(stored); named.Size != len(stored) || named.Digest != digest {
			return fmt.Errorf("manifest.json says that object %s has size %d and digest %s; it has %d and %s",
				named.Path, named.Size, named.Digest, len(stored), digest)
		}
	}
	if len(seen) != len(objects) {
		return fmt.Errorf("manifest.json names %d of %d objects", len(seen), len(objects))
	}
	return nil
}
