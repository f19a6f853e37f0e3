package sal

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipeWithoutAReader: a message written to a pipe without a reader is not
// delivered.
func TestPipeWithoutAReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f := File{Path: path}
	nobody := func(when string) {
		t.Helper()
		if err := f.Send(within(t), made("x", 1)); err == nil || err.Error() != "file "+path+": nobody reads from this pipe" {
			t.Fatalf("%s: %v", when, err)
		}
	}
	nobody("at first")
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Send(within(t), made("read", 1)); err != nil {
		t.Error(err)
	}
	if got, err := bufio.NewReader(reader).ReadString('\n'); err != nil || !strings.Contains(got, `"id":"read"`) {
		t.Errorf("%q, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	large := made("large", 1)
	large.Message = strings.Repeat("x", 1<<20) // more than the buffer of a pipe
	if err := f.Send(ctx, large); err == nil {
		t.Error("delivered to a reader who does not read")
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	nobody("when the reader has gone")
}
