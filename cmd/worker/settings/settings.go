// Package settings is what an operator may set, as one table: the flags, the
// environment, the file, the help and docs/SETTINGS.md are all made of it.
//
// A setting has one name, in kebab-case: "stale-after" is the flag
// --stale-after, the variable GAUNTLET_STALE_AFTER and the key stale-after of
// the file. A flag wins over the environment, the environment over the file,
// and the file over the default. Credentials are no settings: the object
// store's come from the usual chain of its SDK, TiKV's from the PEM files that
// settings name.
package settings

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/backend/s3"
	"github.com/gauntlet-dst/gauntlet/backend/tikv"
	"github.com/gauntlet-dst/gauntlet/core"
)

// The stores that a worker can work with.
const (
	StoreTiKV   = "tikv"   // TiKV and an object store
	StoreMemory = "memory" // both in this process, for a first look
)

// The codecs.
const (
	CodecLeRobot = "lerobot" // MCAP to LeRobot v2.1
	CodecPlain   = "plain"   // the simulator's
)

// Settings are the values in effect.
type Settings struct {
	Name    string
	Roles   core.Role
	Store   string
	Scratch string // "": a directory of the name's own under the temporary directory
	Codec   string // CodecLeRobot or CodecPlain
	// CodecConfig is the file that tells the codec which topics become what, ""
	// for that of the example recordings.
	CodecConfig string
	Listen      string
	Grace       time.Duration
	LogLevel    string
	LogFormat   string

	TiKV tikv.Config
	S3   s3.Config // its Timeout is the setting storage-timeout
	Core core.Config

	// ChaosListen is where the injector is configured, "" for nowhere.
	ChaosListen string
}

// Default returns what is in effect if nothing is set. The name is the
// machine's.
func Default() Settings {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "worker"
	}
	return Settings{
		Name: host, Roles: core.Unified, Store: StoreTiKV, Codec: CodecLeRobot,
		Listen: "127.0.0.1:0", Grace: 40 * time.Second, LogLevel: "info", LogFormat: "json",
		TiKV: tikv.Config{PDTimeout: 3 * time.Second},
		S3:   s3.Config{Kind: s3.KindS3},
		Core: core.DefaultConfig(),
	}
}

// ScratchDir is where the process keeps what may be lost.
func (s *Settings) ScratchDir() string {
	if s.Scratch != "" {
		return s.Scratch
	}
	return filepath.Join(os.TempDir(), "gauntlet", s.Name)
}

// CheckClient returns what is wrong for a command that talks to TiKV alone.
func (s *Settings) CheckClient() error {
	switch {
	case s.Store != StoreTiKV:
		return errors.New("store: a client needs the stores of running workers, allowed: tikv")
	case len(s.TiKV.PD) == 0:
		return errors.New("pd: no address, allowed: HOST:PORT, one or several")
	case (s.TiKV.CertPath == "") != (s.TiKV.KeyPath == ""):
		return errors.New("tikv-cert and tikv-key: one without the other, allowed: both or neither")
	}
	return s.checkCore()
}

// CheckRun returns what is wrong for a worker.
func (s *Settings) CheckRun() error {
	if err := s.CheckClient(); err != nil {
		return err
	}
	switch {
	case s.S3.Bucket == "":
		return errors.New("s3-bucket: none, allowed: the name of a bucket")
	case s.Grace < s.Core.DrainTimeout:
		return fmt.Errorf("grace %s must not be below drain-timeout %s", formatDuration(s.Grace), formatDuration(s.Core.DrainTimeout))
	}
	return s.checkChaos()
}

// checkChaos refuses to open the injector to anybody but this machine.
func (s *Settings) checkChaos() error {
	if s.ChaosListen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(s.ChaosListen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("chaos-listen: %q is no loopback address, allowed: 127.0.0.1:PORT or [::1]:PORT", s.ChaosListen)
	}
	return nil
}

// checkCore is core's own check of how settings go together, in the words of
// the table.
func (s *Settings) checkCore() error {
	err := s.Core.Validate()
	if err == nil {
		return nil
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(inOurWords(strings.TrimPrefix(first, "config: ")))
}

var identifier = regexp.MustCompile(`\b[A-Z][A-Za-z]+(\.[A-Z][A-Za-z]+)?\b`)

// inOurWords replaces the fields of core.Config by the settings' names.
func inOurWords(text string) string {
	names := map[string]string{}
	s := Default()
	for _, one := range Table(&s) {
		if one.field != "" {
			names[one.field] = one.Name
		}
	}
	return identifier.ReplaceAllStringFunc(text, func(word string) string {
		if name := names[word]; name != "" {
			return name
		}
		return word
	})
}

// RoleNames are the names of a set of roles, in the order of a batch's life.
func RoleNames(set core.Role) []string {
	var names []string
	for _, r := range roleNames {
		if set&r.role != 0 {
			names = append(names, r.name)
		}
	}
	return names
}
