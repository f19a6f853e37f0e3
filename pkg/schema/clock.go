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

// DefaultTime limits the total time that the JSON schemas of a schema may take to be
// compiled and to check objects. Each check of an object adds perCheck to the time
// that is left, up to the limit. Since that is a hundred times what a check with an
// ordinary schema takes, such schemas can check any number of objects.
const (
	DefaultTime = 5 * time.Second
	perCheck    = time.Millisecond
)

// clock measures the time that is left for the JSON schemas of a schema.
type clock struct {
	limit time.Duration // on the total time

	mu       sync.Mutex // held while a JSON schema runs, so that only one does
	left     time.Duration
	usedUpBy string // the file of the JSON schema that used up the time; empty while time is left
}

func newClock(limit time.Duration) *clock {
	if limit <= 0 {
		limit = DefaultTime
	}
	return &clock{limit: limit, left: limit}
}

// runTimed calls f, which uses the JSON schema in a file, and returns its result. It
// returns an error if no time is left, or if f does not return in time. In the second
// case f continues to run, but m stops it at the next part of the schema. Before the
// call, runTimed adds refund to the time that is left.
func runTimed[T any](c *clock, m *meter, file string, refund time.Duration, f func() T) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var zero T
	if c.usedUpBy != "" {
		return zero, c.timeError(file)
	}
	c.left = min(c.left+refund, c.limit)
	start, done := time.Now(), make(chan T, 1)
	timer := time.NewTimer(c.left)
	defer timer.Stop()
	go func() { done <- f() }()
	select {
	case result := <-done:
		if c.left -= time.Since(start); c.left <= 0 {
			c.usedUpBy = file
		}
		return result, nil
	case <-timer.C:
		m.stop.Store(true)
		c.usedUpBy = file
		return zero, c.timeError(file)
	}
}

// timeError returns the error for a JSON schema for which no time is left.
func (c *clock) timeError(file string) error {
	msg := fmt.Sprintf("the JSON schema takes longer than the %v that there are for all of them", c.limit)
	if c.usedUpBy != file {
		msg = fmt.Sprintf("the JSON schema is not used: the %v that there are for all of them were over with %s", c.limit, c.usedUpBy)
	}
	return yamldoc.Errorf(yamldoc.Pos{File: file}, "%s", msg).Of(RuleJSONTooLarge)
}

// A check of an object may visit maxSteps parts of a JSON schema, and stepsPerValue
// more for each value in the object.
const (
	maxSteps      = 100_000
	stepsPerValue = 50
)

// meter stops a JSON schema that takes too long. The library has no other way to
// interrupt it, but calls its extensions for each part of a schema.
type meter struct {
	stop  atomic.Bool
	steps int // the number of steps left
}

// tooManySteps is the value that a meter panics with.
type tooManySteps struct{}

// Compile adds the meter to a part of a schema. It returns an error if the meter is
// stopped.
func (m *meter) Compile(jsonschema.CompilerContext, map[string]any) (jsonschema.ExtSchema, error) {
	if m.stop.Load() {
		return nil, errors.New("stopped")
	}
	return m, nil
}

// Validate counts a step. It panics with tooManySteps if no step is left or the meter
// is stopped.
func (m *meter) Validate(jsonschema.ValidationContext, any) error {
	if m.steps--; m.steps < 0 || m.stop.Load() {
		panic(tooManySteps{})
	}
	return nil
}
