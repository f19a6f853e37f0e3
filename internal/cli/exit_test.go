package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/conftool/confctl/internal/editor"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// TestExitCodes: each error has its code, however it is wrapped, and its words.
func TestExitCodes(t *testing.T) {
	away := &store.UnavailableError{Tried: []store.Endpoint{{Address: "http://a:1", Err: errors.New("refused")}, {Address: "http://b:1", Err: errors.New("mute")}}}
	invalid := &yamldoc.Error{Pos: yamldoc.Pos{File: "f.yaml", Line: 3, Column: 4}, Msg: "bad"}
	done := change.Done{ID: "ID", Objects: make([]sal.Object, 7)}
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{&usageError{"what", "how"}, exitUsage, "confctl: what\n  how\n"},
		{&selector.Error{Selector: "x", Msg: "what", Hint: "how"}, exitUsage, "  how\n"},
		{&object.ActionError{Msg: "what", Hint: "how"}, exitUsage, "  how\n"},
		{&schema.UnknownTypeError{Name: "nod", Known: []string{"node"}, File: "s.yaml"}, exitUsage, "did you mean node?"},
		{&refusalError{msg: "refused by r, nothing changed"}, exitRefused, "refused by r, nothing changed"},
		{&change.ExpectError{Want: 1, Got: 2}, exitRefused, "refused: 1 objects were expected, but 2 match, nothing changed"},
		{&noMatchError{"nothing", ""}, exitNoMatch, "nothing"},
		{&change.ConflictError{Busy: &store.ConflictError{}}, exitConflict, "nothing was written"},
		{&unwrittenError{err: &change.ConflictError{Void: &sal.VoidError{Record: sal.Record{Event: sal.Event{ID: "ID"}}}}}, exitConflict, "the change ID was not made, and will not be"},
		{&unwrittenError{err: &sal.VoidError{Record: sal.Record{Event: sal.Event{ID: "ID"}}}}, exitNoMatch, "nothing was written"},
		{&unsettledError{away, "how"}, exitUnknown, "  how\n"},
		{away, exitUnavailable, "http://a:1: refused\nconfctl:   http://b:1: mute\n"},
		{&unwrittenError{err: away}, exitUnavailable, "  nothing was written\n"},
		{&unwrittenError{err: &store.DeniedError{User: "u", Grant: "write /x", Err: errors.New("no")}}, exitFailed, "nothing was written"},
		{&store.TooLargeError{Writes: 5000}, exitInvalid, "choose fewer"},
		{&object.InvalidError{Object: "node x", Reason: "what", Hint: "how"}, exitInvalid, "node x: what\n  how\n"},
		{invalid, exitInvalid, "f.yaml:3:4: bad"},
		{&schema.InvalidError{Problems: []schema.Problem{{Err: invalid}, {Err: invalid}}}, exitInvalid, "f.yaml:3:4: bad\nconfctl: f.yaml:3:4: bad\n"},
		{&declinedError{}, exitDeclined, ""},
		{&partlyError{exitInvalid}, exitInvalid, ""},
		// what it may have come of does not count
		{&unwrittenError{&store.UnknownError{Once: "/x/.confctl/journal/ID", Err: away}, []string{"--config", "c"}}, exitUnknown, "confctl log show ID --wait --config c settles it"},
		{&editor.KeptError{Path: "/tmp/x", Err: &editor.RejectedError{Reason: invalid}}, exitInvalid, "your text is kept in /tmp/x"},
		{&editor.KeptError{Path: "/tmp/x", Err: context.Canceled}, exitFailed, "interrupted\n  your text is kept in /tmp/x"},
		{&unwrittenError{err: context.Canceled}, exitFailed, "interrupted\n  nothing was written"},
		{&term.OutputError{Err: syscall.EPIPE}, exitFailed, ""},
		{&term.OutputError{Err: syscall.ENOSPC}, exitFailed, "no space left"},
		{term.NoTerminalError{}, exitUsage, "--yes answers with yes"},
		{&sal.AsideError{Entries: []sal.Aside{{ID: "x", Reason: "r"}}}, exitFailed, "  confctl log status lists what is set aside"},
		{errors.New("else"), exitFailed, "confctl: else\n"},
	} {
		var talk bytes.Buffer
		code := report(term.Streams{Err: &talk}, fmt.Errorf("%w", c.err))
		if code != c.code || !strings.Contains(talk.String(), c.says) || (c.says == "" && talk.Len() > 0) {
			t.Errorf("%T: exit code %d, want %d; %q, want %q", c.err, code, c.code, talk.String(), c.says)
		}
	}
	// After a part is done it is never said that nothing was.
	for _, why := range []error{away, context.Canceled, &change.ConflictError{Busy: &store.ConflictError{}}, invalid} {
		var talk bytes.Buffer
		code := report(term.Streams{Err: &talk}, &change.PartlyDoneError{Done: done, Err: why})
		if code != exitFailed || strings.Contains(talk.String(), "nothing was written") || !strings.Contains(talk.String(), "7 objects changed as ID") {
			t.Errorf("%T: exit code %d, %q", why, code, talk.String())
		}
	}
}
