package conversion

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// client is the workload's trusted process: it submits every batch, cancels
// some, submits some again, and records each call and how it returned.
type client struct {
	system   *System
	finished bool
	told     bool              // a script tells it what to do
	acked    map[string]int    // the newest generation that it was told of, by name
	outputs  map[string]string // that of the newest submission that it was told of, by name
	refused  map[string]string // why its last submission was refused, by name
}

func newClient(s *System) client {
	return client{system: s, acked: map[string]int{}, outputs: map[string]string{}, refused: map[string]string{}}
}

// main runs one errand per batch, side by side.
func (c *client) main(ctx context.Context, e *env.Env) error {
	if c.told {
		return e.Clock.Sleep(ctx, 1000*24*time.Hour)
	}
	api := core.NewClient(e, c.system.config.Core)
	recorder, ok := sim.RecorderOf(e)
	if !ok {
		return env.ErrInvalid
	}
	errands := e.Runtime.Group(ctx)
	for i := range c.system.workload.Batches {
		s := &errand{client: c, env: e, api: api, recorder: recorder, batch: &c.system.workload.Batches[i], draw: c.draw(i)}
		if s.draw.Chance("meddle", 10*c.system.config.MeddlePercent) {
			s.rivals = &rivals{of: *s, group: errands, task: "rival" + strconv.Itoa(i)}
			s.rivals.meet()
		}
		errands.Spawn("batch"+strconv.Itoa(i), s.run)
		if s.draw.Chance("watch", 10*c.system.config.WatchPercent) {
			errands.Spawn("watch"+strconv.Itoa(i), func(ctx context.Context) error { return s.watch(ctx, "watch") })
		}
	}
	err := errands.Wait()
	if linger := c.system.config.Linger; err == nil && linger > 0 {
		err = e.Clock.Sleep(ctx, linger)
	}
	c.finished = err == nil
	recorder.Return("finish", "", 0, err)
	return err
}

// draw keys the choices about one batch.
func (c *client) draw(i int) keyed.Draw {
	return keyed.New(c.system.config.WorkloadSeed, "client").Sub(strconv.Itoa(i))
}

// errand is what the client does about one batch.
type errand struct {
	client   *client
	env      *env.Env
	api      *core.Client
	recorder sim.Recorder
	batch    *workload.Batch
	draw     keyed.Draw
	version  int     // of what it asks for; the first is 0
	rivals   *rivals // whom its calls meet, or nil
}

func (s *errand) run(ctx context.Context) error {
	c := &s.client.system.config
	pace := func(label string) error {
		return s.env.Clock.Sleep(ctx, time.Duration(s.draw.LogBetween(label, 1e6, int64(c.ClientPace))))
	}
	if err := pace("submit"); err != nil {
		return err
	}
	if err := s.submit(ctx); err != nil {
		return err
	}
	s.version = 1
	if s.draw.Chance("impatient", 5*c.ResubmitPercent) {
		// Submitting what lives is refused.
		if err := pace("again"); err != nil {
			return err
		}
		if err := s.submit(ctx); err != nil {
			return err
		}
	}
	if s.draw.Chance("cancel", 10*c.CancelPercent) {
		// At any moment of a batch's usual life.
		if err := s.env.Clock.Sleep(ctx, time.Duration(s.draw.Between("cancel after", 1e6, 20e9))); err != nil {
			return err
		}
		if err := s.cancel(ctx); err != nil {
			return err
		}
	}
	if s.draw.Chance("retry", 10*c.RetryPercent) {
		if err := s.retryDead(ctx); err != nil {
			return err
		}
	}
	if s.draw.Chance("resubmit", 10*c.ResubmitPercent) {
		if err := s.untilEnded(ctx); err != nil {
			return err
		}
		if err := s.submitAndWatch(ctx, "resubmitted"); err != nil {
			return err
		}
	}
	if !s.draw.Chance("comeback", 10*c.ComebackPercent) {
		return nil
	}
	if err := s.until(ctx, func(phase core.Phase) bool { return phase == core.PhaseExpired }); err != nil {
		return err
	}
	return s.submitAndWatch(ctx, "come back")
}

// submitAndWatch submits what is watched, perhaps, as the first submission was.
func (s *errand) submitAndWatch(ctx context.Context, label string) error {
	label = "watch " + label
	if err := s.submit(ctx); err != nil || !s.draw.Chance(label, 10*s.client.system.config.WatchPercent) {
		return err
	}
	return s.watch(ctx, label)
}

// watch asks how the batch stands, now and then.
func (s *errand) watch(ctx context.Context, label string) error {
	w := watcher{client: s.client, env: s.env, api: s.api, recorder: s.recorder, batch: s.batch, draw: s.draw.Sub(label)}
	return w.run(ctx, s.client.system.config.ClientPace)
}

// retryDead asks again and again for dead units to be tried again, as an
// operator would who watches the list of batches: until the batch has ended.
func (s *errand) retryDead(ctx context.Context) error {
	c := &s.client.system.config
	for range c.OperatorLooks {
		if err := s.env.Clock.Sleep(ctx, c.operatorEvery()); err != nil {
			return err
		}
		all, err := s.api.List(ctx, s.batch.Namespace)
		if err != nil || len(all) == 0 {
			continue
		}
		if s.retry(ctx) == core.ErrEnded {
			return nil
		}
	}
	return nil
}

// retry asks once.
func (s *errand) retry(ctx context.Context) error {
	name := s.batch.Namespace + "/" + s.batch.Name
	s.rivals.meet()
	s.recorder.Call("retry", name)
	n, err := s.api.Retry(ctx, s.batch.Namespace, s.batch.Name)
	record(s.recorder, "retry", name, int64(n), err)
	return err
}

// submit tries until the batch is submitted, or was by an earlier try.
func (s *errand) submit(ctx context.Context) error {
	spec := specOf(s.batch.Version(s.version), s.client.system.config.TTL)
	name := spec.Namespace + "/" + spec.Name
	for {
		s.rivals.meet()
		s.recorder.Ask("submit", name, int64(s.version))
		gen, err := s.api.Submit(ctx, spec)
		record(s.recorder, "submit", name, int64(gen), err)
		s.client.acked[name] = max(s.client.acked[name], int(gen))
		if err == nil {
			s.client.outputs[name] = spec.Output
		}
		if err == nil || err == core.ErrLive {
			return nil
		}
		s.client.refused[name] = err.Error()
		if err := s.env.Clock.Sleep(ctx, s.client.system.config.ClientPace); err != nil {
			return err
		}
	}
}

// cancel tries until the batch is cancelled or has ended otherwise.
func (s *errand) cancel(ctx context.Context) error {
	name := s.batch.Namespace + "/" + s.batch.Name
	for {
		s.rivals.meet()
		s.recorder.Call("cancel", name)
		err := s.api.Cancel(ctx, s.batch.Namespace, s.batch.Name)
		record(s.recorder, "cancel", name, 0, err)
		if err == nil || err == core.ErrEnded || err == core.ErrSuperseded {
			return nil
		}
		if err := s.env.Clock.Sleep(ctx, s.client.system.config.ClientPace); err != nil {
			return err
		}
	}
}

// record records how a call returned: the number that it told, or with what it was refused.
func record(r sim.Recorder, what, of string, value int64, err error) {
	if err != nil {
		r.Answer(what, of, refusal(err), err)
		return
	}
	r.Return(what, of, value, nil)
}

// refusal is the schema's word for what core refuses a request with, or "".
func refusal(err error) string {
	switch {
	case errors.Is(err, core.ErrLive):
		return schema.Live
	case errors.Is(err, core.ErrOutputTaken):
		return schema.OutputTaken
	case errors.Is(err, core.ErrNoBatch):
		return schema.NoBatch
	case errors.Is(err, core.ErrEnded):
		return schema.Ended
	case errors.Is(err, core.ErrSuperseded):
		return schema.Superseded
	}
	return ""
}

// untilEnded polls the batch's status until it has ended.
func (s *errand) untilEnded(ctx context.Context) error {
	return s.until(ctx, core.Phase.Terminal)
}

// until polls the batch's status until its phase is one of those.
func (s *errand) until(ctx context.Context, there func(core.Phase) bool) error {
	for {
		status, err := s.api.Status(ctx, s.batch.Namespace, s.batch.Name)
		if err == nil && there(status.Phase) {
			return nil
		}
		if err := s.env.Clock.Sleep(ctx, s.client.system.config.ClientPace); err != nil {
			return err
		}
	}
}

// specOf is what the client submits for a batch of the workload.
func specOf(b *workload.Batch, ttl time.Duration) core.BatchSpec {
	spec := core.BatchSpec{
		Namespace: b.Namespace, Name: b.Name, Output: strings.TrimSuffix(b.Output, "/"),
		MaxAttempts: b.MaxAttempts, BackoffLimit: b.BackoffLimit, TTL: ttl, EpisodesPerChunk: b.ChunkSize,
		Priority: b.Priority, Parallelism: b.Parallelism,
	}
	if b.Terse {
		spec.MaxAttempts, spec.BackoffLimit, spec.EpisodesPerChunk = 0, 0, 0
	}
	for _, source := range b.Sources {
		spec.Sources = append(spec.Sources, core.Source{URL: source.Prefix, Filter: source.Filter})
	}
	return spec
}
