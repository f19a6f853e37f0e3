package schema

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/conftool/confctl/pkg/yamldoc"
)

// DefaultTime is how long the JSON schemas of a schema may take together, to be
// compiled and to check objects with. Each check of an object gives back up to
// perCheck of it, which is a hundred times what it takes: what is checked with
// ordinary schemas may be any number of objects.
const (
	DefaultTime = 5 * time.Second
	perCheck    = time.Millisecond
)

// clock is the time that is left for the JSON schemas of a schema.
type clock struct {
	all time.Duration

	mu   sync.Mutex // one of them at a time
	left time.Duration
	over string // the file of the JSON schema that used it up; empty while there is some
}

func newClock(all time.Duration) *clock {
	if all <= 0 {
		all = DefaultTime
	}
	return &clock{all: all, left: all}
}

// timed runs what a JSON schema is needed for, and does not wait for it longer than
// there is time. What is left running then has been told to stop, and does so with
// the next part of the schema.
func timed[T any](c *clock, m *meter, file string, back time.Duration, f func() T) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var none T
	if c.over != "" {
		return none, c.late(file)
	}
	c.left = min(c.left+back, c.all)
	start, done := time.Now(), make(chan T, 1)
	timer := time.NewTimer(c.left)
	defer timer.Stop()
	go func() { done <- f() }()
	select {
	case result := <-done:
		if c.left -= time.Since(start); c.left <= 0 {
			c.over = file
		}
		return result, nil
	case <-timer.C:
		m.stop.Store(true)
		c.over = file
		return none, c.late(file)
	}
}

// late is the error of a JSON schema for which there is no time.
func (c *clock) late(file string) error {
	msg := fmt.Sprintf("the JSON schema takes longer than the %v that there are for all of them", c.all)
	if c.over != file {
		msg = fmt.Sprintf("the JSON schema is not used: the %v that there are for all of them were over with %s", c.all, c.over)
	}
	return yamldoc.Errorf(yamldoc.Pos{File: file}, "%s", msg).Of(RuleJSONTooLarge)
}

// mostSteps is how many parts of a JSON schema may be looked at to check an object:
// so many, and as many again for each value in it.
const (
	mostSteps = 100_000
	perValue  = 50
)

// meter stops a JSON schema that takes too long. The library knows no way to
// interrupt it, but asks its extensions at each part of a schema.
type meter struct {
	stop  atomic.Bool
	steps int // that are left
}

// tooManySteps is what a meter panics with.
type tooManySteps struct{}

// Compile makes the meter a part of every part of a schema.
func (m *meter) Compile(jsonschema.CompilerContext, map[string]any) (jsonschema.ExtSchema, error) {
	if m.stop.Load() {
		return nil, errors.New("stopped")
	}
	return m, nil
}

// Validate counts a step.
func (m *meter) Validate(jsonschema.ValidationContext, any) error {
	if m.steps--; m.steps < 0 || m.stop.Load() {
		panic(tooManySteps{})
	}
	return nil
}
