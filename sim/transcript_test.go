package sim_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/properties/suite"
	"github.com/gauntlet-dst/gauntlet/sim/conversion"
	"github.com/gauntlet-dst/gauntlet/sim/script"
)

// TestTranscripts plays the files in testdata/transcripts, which document the
// protocol by example. Each command does something to the world, or lets time
// pass and prints what happened meanwhile. -rewrite writes them anew.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "../testdata/transcripts", func(t *testing.T, path string) {
		var p *play
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				p = newPlay(t, d)
				return ""
			}
			return p.command(t, d)
		})
	})
}

// play is one transcript on stage.
type play struct {
	s       *conversion.Script
	story   *narrator
	trigger *script.Trigger // the last one set
	job     *script.Job     // the client's last call
}

// newPlay sets the stage: new workers=2 units=1 frames=4 poison unsubmitted
func newPlay(t *testing.T, d *datadriven.TestData) *play {
	setup := conversion.Setup{Workers: intArg(t, d, "workers", 2), Unsubmitted: d.HasArg("unsubmitted")}
	batch := conversion.NewBatch("lab", "data", intArg(t, d, "units", 1), intArg(t, d, "frames", 4))
	if d.HasArg("poison") {
		batch.Sources[0].Recordings[intArg(t, d, "poison", 0)].Poison = 3
	}
	setup.Batches = append(setup.Batches, batch)
	if d.HasArg("page") {
		setup.Tune = func(c *core.Config) { c.Page = intArg(t, d, "page", 0) }
	}
	s := conversion.New(t, setup, suite.Target())
	return &play{s: s, story: newNarrator(s)}
}

func (p *play) command(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "when":
		p.trigger = p.when(t, d)
	case "pause":
		p.process(t, d).Pause()
	case "resume":
		p.process(t, d).Resume()
	case "crash":
		p.process(t, d).Crash()
	case "restart":
		p.process(t, d).Restart()
	case "terminate":
		p.process(t, d).Terminate(10 * time.Second)
	case "partition":
		p.process(t, d).Partition()
	case "heal":
		p.process(t, d).Heal()
	case "submit":
		p.job = p.s.Submit(0)
	case "cancel":
		p.job = p.s.Cancel(0)
	case "until":
		p.s.Until(p.condition(t, d))
		if story := p.story.next(); !d.HasArg("quietly") {
			return story
		}
	case "advance":
		p.s.Advance(duration(t, d, d.CmdArgs[0].Key))
		return p.story.next()
	case "settle":
		p.s.Settle()
		if story := p.story.next(); !d.HasArg("quietly") {
			return story
		}
	case "answer":
		return fmt.Sprintln(p.job.Err())
	case "saw":
		p.process(t, d).Saw(errorNamed(t, d, d.CmdArgs[1].Key))
	case "objects":
		return p.objects()
	case "row":
		return p.row(t, d)
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	return ""
}

// process is the command's first word.
func (p *play) process(t *testing.T, d *datadriven.TestData) *script.Process {
	if len(d.CmdArgs) == 0 {
		d.Fatalf(t, "which process?")
	}
	return p.s.Process(d.CmdArgs[0].Key)
}

// when sets a trigger: when w0 before=flip on=kv.commit nth=2 pause
func (p *play) when(t *testing.T, d *datadriven.TestData) *script.Trigger {
	process := p.process(t, d)
	var trigger *script.Trigger
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "before":
			trigger = process.Before(env.Step(arg.Vals[0]))
		case "applied":
			trigger = process.Applied(env.Step(arg.Vals[0]))
		case "after":
			trigger = process.After(env.Step(arg.Vals[0]))
		case "on":
			trigger.On(arg.Vals[0])
		case "nth":
			trigger.Nth(intArg(t, d, "nth", 1))
		case "pause":
			return trigger.Pause()
		case "suspend":
			return trigger.Suspend()
		case "crash":
			return trigger.Crash()
		case "terminate":
			return trigger.Terminate(10 * time.Second)
		case "refuse":
			return trigger.Refuse()
		case "lose-reply":
			return trigger.LoseReply()
		case "delay":
			return trigger.Delay(duration(t, d, arg.Vals[0]))
		}
	}
	d.Fatalf(t, "when what?")
	return nil
}

// condition is what to wait for: fired, returned, idle=w1, phase=complete,
// unit=0 with state=processing and perhaps worker=w1. With quietly nothing of
// the way there is told.
func (p *play) condition(t *testing.T, d *datadriven.TestData) func() bool {
	arg := d.CmdArgs[0]
	switch arg.Key {
	case "fired":
		return p.trigger.Fired
	case "returned":
		return p.job.Returned
	case "idle":
		i, err := strconv.Atoi(strings.TrimPrefix(arg.Vals[0], "w"))
		if err != nil {
			d.Fatalf(t, "idle=%s: want a worker", arg.Vals[0])
		}
		return p.s.Worker(i).Idle
	case "phase":
		return func() bool { return p.s.Phase(0) == arg.Vals[0] }
	case "unit":
		i := intArg(t, d, "unit", 0)
		return func() bool {
			unit := storedRow(p.s, p.s.Unit(0, i))
			for _, want := range d.CmdArgs[1:] {
				if len(want.Vals) > 0 && unit.get(want.Key) != want.Vals[0] {
					return false
				}
			}
			return true
		}
	}
	d.Fatalf(t, "until what?")
	return nil
}

// objects lists what the object store holds under the output.
func (p *play) objects() string {
	var b strings.Builder
	for _, key := range p.s.World().ObjectKeys("out/") {
		b.WriteString(p.story.short(key) + "\n")
	}
	for _, upload := range p.s.World().Uploads() {
		b.WriteString("open upload of " + p.story.short(upload.Key) + "\n")
	}
	if b.Len() == 0 {
		return "none\n"
	}
	return b.String()
}

// row prints fields of a row: row unit=0 fields=(state,attempts), row batch ...
func (p *play) row(t *testing.T, d *datadriven.TestData) string {
	key := "batch/lab/data"
	if d.HasArg("unit") {
		key = p.s.Unit(0, intArg(t, d, "unit", 0))
	}
	var names []string
	for _, arg := range d.CmdArgs {
		if arg.Key == "fields" {
			names = arg.Vals
		}
	}
	return fieldsOf(storedRow(p.s, key), names...) + "\n"
}

func intArg(t *testing.T, d *datadriven.TestData, name string, missing int) int {
	if d.HasArg(name) {
		d.ScanArgs(t, name, &missing)
	}
	return missing
}

func duration(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	v, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

func errorNamed(t *testing.T, d *datadriven.TestData, name string) error {
	for _, err := range []error{env.ErrConflict, env.ErrUndetermined, env.ErrUnavailable} {
		if env.ClassOf(err).String() == name {
			return err
		}
	}
	d.Fatalf(t, "no error %q", name)
	return nil
}
