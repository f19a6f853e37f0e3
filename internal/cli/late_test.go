package cli

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// queued is a site in etcd whose commits can be kept on their way.
type queued struct {
	*site
	queue  *etcdtest.Queue
	server *etcdtest.Server
}

func newQueued(t *testing.T) *queued {
	t.Helper()
	q := &etcdtest.Queue{}
	server := etcdtest.Start(t, q.Option())
	s := &queued{etcdSite(t, server.URL()), q, server}
	s.file("confctl.yaml", patient)
	s.ok("sync", "--directory", "data")
	return s
}

// unknown makes a change whose every commit meets the same fate, and returns the
// id that it names.
func (s *queued) unknown(fate etcdtest.Fate, args ...string) string {
	s.Helper()
	s.file("confctl.yaml", "timeout: 1s\n")
	fates := make([]etcdtest.Fate, 100)
	for i := range fates {
		fates[i] = fate
	}
	s.queue.Next(fates...)
	_, stderr, code := s.run(args...)
	s.queue.Next()
	s.file("confctl.yaml", patient)
	hint := regexp.MustCompile(`confctl log show (\S+) --wait .*settles it`).FindStringSubmatch(stderr)
	if code != exitUnknown || hint == nil {
		s.Fatalf("exit code %d: %s", code, stderr)
	}
	return hint[1]
}

// fails runs the program, which has to end with a code and say something.
func (s *site) fails(want int, say string, args ...string) {
	s.Helper()
	stdout, stderr, code := s.run(args...)
	if code != want || !regexp.MustCompile(say).MatchString(stderr) || stdout != "" {
		s.Errorf("confctl %q: exit code %d, want %d\n%s%s\nwant %s", args, code, want, stdout, stderr, say)
	}
}

// TestSettledIsNeverMade: a change of unknown outcome that was not made will not
// be made either, once that is what was told.
func TestSettledIsNeverMade(t *testing.T) {
	t.Parallel()
	s := newQueued(t)
	id := s.unknown(etcdtest.Hold, "select", "name=web9.example", "set/weight=7")
	s.fails(exitNoMatch, "(?s)the journal has no change "+id+"\n  it was not made so far; confctl log show "+id+" --wait .*makes sure that it will not be", "log", "show", id)
	s.fails(exitNoMatch, "the change "+id+" was not made, and will not be \\(settled by \\S+ on ", "log", "show", id, "--wait")
	if s.queue.Deliver() == 0 {
		t.Error("nothing was held back")
	}
	if got := s.ok("select", "name=web9.example", "get"); strings.Contains(got, `"weight": 7`) {
		t.Errorf("it was made after all: %s", got)
	}
	for _, args := range [][]string{{"log", "show", id}, {"log", "show", id, "--wait"}, {"undo", id}, {"log", "annotate", id, "note"}} {
		s.fails(exitNoMatch, "the change "+id+" was not made, and will not be \\(", args...)
	}
	for _, args := range [][]string{{"log"}, {"log", "--refused"}, {"log", "-o", "json"}, {"select", "name=web9.example", "history"}} {
		if got := s.ok(args...); strings.Contains(got, id) {
			t.Errorf("confctl %q shows what was not made: %s", args, got)
		}
	}
}

// TestSettledWasMade: the answer was lost, and not the change.
func TestSettledWasMade(t *testing.T) {
	t.Parallel()
	s := newQueued(t)
	id := s.unknown(etcdtest.Mute, "select", "name=web9.example", "set/weight=7")
	for _, args := range [][]string{{"log", "show", id}, {"log", "show", id, "--wait"}} {
		if got := s.ok(args...); !strings.Contains(got, "weight: 0 => 7") {
			t.Errorf("confctl %q: %s", args, got)
		}
	}
}

// TestSettlingNeedsTheRightToWrite: without it nobody can promise anything.
func TestSettlingNeedsTheRightToWrite(t *testing.T) {
	t.Parallel()
	s := newQueued(t)
	id := s.unknown(etcdtest.Hold, "select", "name=web9.example", "set/weight=7")
	s.server.Rights(t, map[string][]string{"reader": {"/conftool/"}}, nil)
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(s.server.URL(), "http://"))
	login := func(user string) {
		s.file("etcdrc", "host: "+host+"\nport: "+port+"\nusername: "+user+"\npassword: "+etcdtest.Password+"\n")
	}
	login("reader")
	s.fails(exitUnknown, "(?s)the change "+id+" was not made so far, but it may be made yet: denied by the store for user reader, it takes the permission to write /conftool/.confctl/journal/"+
		".*whoever may write to the journal can settle it: confctl log show "+id+" --wait", "log", "show", id, "--wait")
	login("root")
	s.fails(exitNoMatch, "was not made, and will not be", "log", "show", id, "--wait")
}

// TestSettlingWithoutAStore: whoever ends the waiting is told that nothing is
// known.
func TestSettlingWithoutAStore(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	asked := make(chan struct{}, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
			select {
			case asked <- struct{}{}:
			default:
			}
		}
	}()
	s := etcdSite(t, "http://"+l.Addr().String())
	const id = "20260102T030405.678900Z-0a1b2c3d"
	cmd := s.command("log", "show", id, "--wait")
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	want := "confctl: it is still not known whether the change " + id + " was made: "
	if code := cmd.ProcessState.ExitCode(); code != exitUnknown || !strings.HasPrefix(talk.String(), want) {
		t.Errorf("exit code %d, %s", code, talk.String())
	}
}

// TestSettlingOutlastsAnOutage: a store that is away is asked again.
func TestSettlingOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	line := newRelay(t, strings.TrimPrefix(server.URL(), "http://"))
	s := etcdSite(t, "http://"+line.address)
	s.file("confctl.yaml", patient)
	line.cut()
	term := s.terminal("log", "show", "--wait", "--debug", sal.NewID(time.Now()))
	term.Expect("store unavailable: ")
	line.mend(t)
	term.Expect(" was not made, and will not be (settled by ")
	term.end(exitNoMatch)
}

// TestDeletedObjectDoesNotComeBack: a sync whose commit is held back finds that
// another one has done the same, and says that there is nothing to change. Then
// the object is removed, and the commit arrives.
func TestDeletedObjectDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := newQueued(t)
	files := siteFiles()["data/node/south.yaml"]
	s.file("data/node/south.yaml", files+"    h9.example: [http]\n")
	s.queue.Next(etcdtest.Hold)
	s.queue.Before(func() {
		s.queue.Next()
		s.ok("sync", "--directory", "data")
	})
	if got := s.ok("sync", "--directory", "data"); got != "no change\n" {
		t.Errorf("the first sync says %q", got)
	}
	s.file("data/node/south.yaml", files)
	s.ok("--yes", "sync", "--directory", "data")
	if s.queue.Deliver() != 1 {
		t.Error("nothing was held back")
	}
	if got := s.ok("select", "name=h9.example", "get"); got != "" {
		t.Errorf("it is back: %s", got)
	}
}
