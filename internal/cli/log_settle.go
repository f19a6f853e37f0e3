package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// settleTimeout limits how long settleChange retries while the store does not
// answer.
const settleTimeout = 30 * time.Second

// unsettledError reports that the outcome of a change is still unknown.
type unsettledError struct {
	err  error
	hint string
}

func (e *unsettledError) Error() string { return e.err.Error() }

// settleChange returns the records of a change of unknown outcome. If the change was
// not made, it makes sure that it never will be, and returns an error. It retries
// for settleTimeout while the store does not answer.
func settleChange(ctx context.Context, g *globals, a *app.App, id string) ([]sal.Stored, error) {
	settled := sal.Record{
		Event:   sal.Event{Action: "log show " + id},
		User:    g.whoami(),
		Host:    sal.Host{Name: app.Hostname()},
		Process: sal.Process{CommandLine: commandLine(g.words)},
	}
	for end := time.Now().Add(settleTimeout); ; {
		settled.Time = time.Now().UTC()
		found, err := a.Journal().Settle(ctx, id, settled)
		again := errors.As(err, new(*store.UnavailableError)) || errors.As(err, new(*store.UnknownError))
		if !again || time.Now().After(end) {
			return found, unsettled(g, a, id, err, again || errors.Is(err, context.Canceled))
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, unsettled(g, a, id, err, true)
		}
	}
}

// unsettled returns the error to report for err, an error from settling a change.
// Open means that the store gave no answer, so that the outcome is still unknown.
func unsettled(g *globals, a *app.App, id string, err error, open bool) error {
	if open {
		return &unsettledError{
			fmt.Errorf("it is still not known whether the change %s was made: %w", id, err),
			g.command("log", "show", id, "--wait") + " tries again",
		}
	}
	var denied *sal.UnsettledError
	var missing *sal.NoRecordError
	switch {
	case errors.As(err, &denied):
		return &unsettledError{denied, "whoever may write to the journal can settle it: " + g.command("log", "show", id, "--wait")}
	case errors.As(err, &missing) && missing.Old:
		return &unsettledError{
			fmt.Errorf("%w, and it is too old to be settled", err),
			"it was not made so far, unless its record has been pruned; see confctl log",
		}
	case errors.As(err, &missing):
		return noRecord(g, a, id, "")
	}
	return err
}

// noRecord returns the error for an id without a record; what is appended to its
// message. If the change can still be settled, its record cannot have been pruned,
// so the hint says that it was not made and how to settle it.
func noRecord(g *globals, a *app.App, id, what string) error {
	hint := "it was not made so far, unless its record has been pruned; see confctl log"
	if a.Journal().MaySettle(id) {
		hint = "it was not made so far; " + g.command("log", "show", id, "--wait") + " makes sure that it will not be"
	}
	return &noMatchError{(&sal.NoRecordError{ID: id}).Error() + what, hint}
}
