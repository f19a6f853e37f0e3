package editor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/conftool/confctl/internal/editor"
)

// TestSwapFileIsKept checks that files that a failed editor left beside the file are
// kept, whatever happened to the file: only they may contain the unsaved text.
func TestSwapFileIsKept(t *testing.T) {
	const swap = `echo typed >"${1%/*}/.text.swp"; `
	for name, c := range map[string]struct {
		script string
		want   error // nil: a *CommandError
	}{
		"not changed":             {swap + "exit 1", nil},
		"ended by a signal":       {swap + "kill -HUP $$", nil},
		"changed":                 {swap + "echo more >>$1; exit 1", nil},
		"removed":                 {swap + "rm $1; exit 1", editor.ErrRemoved},
		"removed, and ended well": {swap + "rm $1", editor.ErrRemoved},
	} {
		t.Run(name, func(t *testing.T) {
			buffer := open(t, script(t, c.script), before)
			_, err := buffer.Edit(context.Background(), func([]byte) error { return nil }, never(t))
			var kept *editor.KeptError
			if !errors.As(err, &kept) || len(kept.Beside) != 1 {
				t.Fatalf("%v", err)
			}
			if c.want != nil && !errors.Is(err, c.want) || c.want == nil && !errors.As(err, new(*editor.CommandError)) {
				t.Errorf("%v", err)
			}
			if got := content(t, kept.Beside[0]); got != "typed\n" {
				t.Errorf("the swap file has %q", got)
			}
		})
	}
	// Without such a file nothing was typed, and nothing is kept.
	buffer := open(t, script(t, "exit 1"), before)
	if _, err := buffer.Edit(context.Background(), func([]byte) error { return nil }, never(t)); errors.As(err, new(*editor.KeptError)) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(buffer.Path())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}
