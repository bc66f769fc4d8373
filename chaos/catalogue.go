package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Catalogue says what configurations may name in one system: the steps of its
// protocol, and the calls of its seams. The calls of package env are in every
// catalogue; the zero Catalogue has nothing else. It is plain data, checked
// where it is used.
type Catalogue struct {
	// Steps are the steps that the system enters (env.Step), in the order in
	// which its documentation tells them.
	Steps []Step
	// Calls are the calls of seams that are the system's own, around which it
	// asks an Injector itself. The simulator makes none of them.
	Calls []Call
}

// Step is one step of a system's protocol.
type Step struct {
	// Name is the env.Step. A slash is not allowed in it.
	Name string
	// About says what it does, in one clause.
	About string
	// Effect are the calls that carry the step's effect: a failure after the
	// step stands after any of them. At least one, all with the same errors
	// after the effect.
	Effect []string
	// Makes are all calls that the step ever makes: a configuration that names
	// another one in this step is refused, since it could inject nothing. None
	// means that they are not known; then every call is accepted.
	Makes []string
}

// Call is one call of a seam that package env does not have.
type Call struct {
	// Name is "service.call". A slash is not allowed in it.
	Name string
	// About says what it does, in one clause.
	About string
	// Before and After are the classes of errors that may be injected on either
	// side of its effect; at least one each, the first is the default.
	Before, After []env.Class
}

// Operations returns what configurations may name: the steps, then the calls
// of package env, then the system's own. A "<step>/<call>" of these is an
// operation, too, which [Catalogue.Lookup] knows. The caller owns the slice.
func (c *Catalogue) Operations() []Operation {
	all := make([]Operation, 0, len(c.Steps)+len(storeCalls)+len(c.Calls))
	for i := range c.Steps {
		all = append(all, c.step(&c.Steps[i]))
	}
	for _, row := range c.calls() {
		all = append(all, row.operation())
	}
	return all
}

// Lookup returns the operation called name; ok is false if there is none,
// which it also is for a call that the step never makes.
func (c *Catalogue) Lookup(name string) (op Operation, ok bool) {
	op, p := c.find(name)
	return op, p == nil
}

// Validate reports the first thing that is wrong with the catalogue itself: a
// name that is empty, given twice or no word, or a call that does not exist.
func (c *Catalogue) Validate() error {
	if p := c.check(); p != nil {
		return errors.New("catalogue: " + p.text)
	}
	return nil
}

// find returns the operation called name, or says why there is none.
func (c *Catalogue) find(name string) (Operation, *problem) {
	step, call, combined := strings.Cut(name, "/")
	if !combined {
		if s := c.findStep(name); s != nil {
			return c.step(s), nil
		}
		if row := c.findCall(name); row != nil {
			return row.operation(), nil
		}
		return Operation{}, c.unknown(name)
	}
	s, row := c.findStep(step), c.findCall(call)
	if s == nil || row == nil {
		return Operation{}, c.unknown(name)
	}
	if !s.makes(call) {
		return Operation{}, problemf("step %q never calls %s, allowed: %s", step, call, oneOf(s.Makes))
	}
	op := row.operation()
	op.Name, op.Step, op.About = name, step, s.About+": "+row.about
	return op, nil
}

func (c *Catalogue) unknown(name string) *problem {
	var names []string
	for _, op := range c.Operations() {
		names = append(names, op.Name)
	}
	return problemf("unknown operation %q, allowed: %s or STEP/CALL of these", name, oneOf(names))
}

func (c *Catalogue) findStep(name string) *Step {
	i := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Steps[i]
}

func (c *Catalogue) findCall(name string) *callRow {
	rows := c.calls()
	i := slices.IndexFunc(rows, func(row callRow) bool { return row.name == name })
	if i < 0 {
		return nil
	}
	return &rows[i]
}

// calls returns the rows of all calls: package env's, then the system's own.
func (c *Catalogue) calls() []callRow {
	rows := slices.Clone(storeCalls[:])
	for _, own := range c.Calls {
		rows = append(rows, callRow{own.Name, own.About, own.Name, own.Name, own.Before, own.After, Applied})
	}
	return rows
}

// step returns a step as an operation. Its callers are told after the effect
// what the callers of the call are told that carries it.
func (c *Catalogue) step(s *Step) Operation {
	op := Operation{
		Name: s.Name, About: s.About, Step: s.Name,
		FailBefore: Point{Phase: Before, Errors: refused},
		FailAfter:  Point{Calls: s.Effect, Phase: Applied},
	}
	if len(s.Effect) > 0 {
		if row := c.findCall(s.Effect[0]); row != nil {
			op.FailAfter.Errors = row.after
		}
	}
	return op
}

// makes reports whether the call may be made in the step.
func (s *Step) makes(call string) bool {
	return len(s.Makes) == 0 || slices.Contains(s.Makes, call)
}

// isWord reports whether a step or a call may be called name: YAML and a
// STEP/CALL cannot read it in another way.
func isWord(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '.' || r == '-')) {
			return false
		}
	}
	return name != ""
}

func (c *Catalogue) check() *problem {
	seen := map[string]bool{}
	for _, op := range c.Operations() {
		if !isWord(op.Name) {
			return problemf("name %q, allowed: a letter, then letters, digits and _.-", op.Name)
		}
		if seen[op.Name] {
			return problemf("name %q given twice, allowed: once", op.Name)
		}
		seen[op.Name] = true
	}
	for _, own := range c.Calls {
		if len(own.Before) == 0 || len(own.After) == 0 {
			return problemf("call %q lacks an error before or after its effect, allowed: at least one each", own.Name)
		}
	}
	for i := range c.Steps {
		if p := c.checkStep(&c.Steps[i]); p != nil {
			return p
		}
	}
	return nil
}

func (c *Catalogue) checkStep(s *Step) *problem {
	for _, call := range slices.Concat(s.Effect, s.Makes) {
		if c.findCall(call) == nil {
			return problemf("step %q: unknown call %q", s.Name, call)
		}
	}
	if len(s.Effect) == 0 {
		return problemf("step %q lacks the calls that carry its effect, allowed: at least one", s.Name)
	}
	for _, call := range s.Effect {
		if !s.makes(call) {
			return problemf("step %q never calls %s, which carries its effect", s.Name, call)
		}
		if !slices.Equal(c.findCall(call).after, c.findCall(s.Effect[0]).after) {
			return problemf("step %q: %s and %s tell different errors after their effect", s.Name, call, s.Effect[0])
		}
	}
	return nil
}

// problem is something that is wrong with the value at a path of keys.
type problem struct {
	path []string
	text string
}

// under puts p, if there is one, below a key.
func (p *problem) under(key string) *problem {
	if p != nil {
		p.path = append([]string{key}, p.path...)
	}
	return p
}

func problemf(format string, args ...any) *problem {
	return &problem{text: fmt.Sprintf(format, args...)}
}
