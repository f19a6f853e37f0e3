package sal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// channel is a tcpircbot that records the messages it receives.
type channel struct {
	*testing.T
	address string
	mu      sync.Mutex
	heard   []string
	close   func()
}

// newChannel starts a bot, at a free address if none is given.
func newChannel(t *testing.T, address string) *channel {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := &channel{T: t, address: listener.Addr().String()}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			text, err := io.ReadAll(conn)
			c.mu.Lock()
			c.heard = append(c.heard, string(text))
			c.mu.Unlock()
			if err := errors.Join(err, conn.Close()); err != nil {
				t.Error(err)
			}
		}
	})
	c.close = sync.OnceFunc(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		done.Wait()
	})
	t.Cleanup(c.close)
	return c
}

// said returns the messages received since the last call.
func (c *channel) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := strings.Join(c.heard, " ")
	c.heard = nil
	return all
}

// within returns a context with the time for one message.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sendTime)
	t.Cleanup(cancel)
	return ctx
}

// TestBot: each message has its own connection and no newline, with both address
// families.
func TestBot(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		if l, err := net.Listen("tcp", address); err != nil {
			t.Logf("no %s here: %v", address, err)
			continue
		} else if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		c := newChannel(t, address)
		for _, text := range []string{"hello\nthere", strings.Repeat("x", 500)} {
			if err := (Bot{Address: c.address}).Send(within(t), Delivery{Message: text}); err != nil {
				t.Error(err)
			}
		}
		if got, want := c.said(), "hello there "+strings.Repeat("x", 422)+"…"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestBotIsAway(t *testing.T) {
	for _, b := range []Bot{{Address: "127.0.0.1:9"}, {Address: "127.0.0.1:9", Label: "other"}} {
		err := b.Send(within(t), Delivery{Message: "hello"})
		if want := b.Name() + " 127.0.0.1:9: connection refused"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestBotDiesUnheard: a message is not delivered if the bot is killed before it
// reads it, and is taken as delivered if the bot keeps connections open.
func TestBotDiesUnheard(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // a test's
	keep := make(chan net.Conn, 2)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			keep <- conn
		}
	}()
	b := Bot{Address: listener.Addr().String()}
	go func() {
		conn := <-keep
		arrived(t, conn)
		_ = conn.Close() // as the system does when a process is killed
	}()
	if err := b.Send(within(t), Delivery{Message: "hello"}); err == nil || !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "not connected") {
		t.Errorf("%v", err) // the second is of the end of the message, if that comes later
	}
	if err := b.Send(within(t), Delivery{Message: "hello"}); err != nil {
		t.Errorf("%v", err)
	}
	_ = (<-keep).Close()
}

// arrived waits until a connection has data, without reading it.
func arrived(t *testing.T, conn net.Conn) {
	raw, err := conn.(syscall.Conn).SyscallConn() //nolint:errcheck // net has no other connections
	if err == nil {
		err = raw.Read(func(fd uintptr) bool {
			n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
			return n > 0 || !errors.Is(err, syscall.EAGAIN)
		})
	}
	if err != nil {
		t.Error(err)
	}
}

// made returns the delivery of a change in parts.
func made(id string, parts int) Delivery {
	d := Delivery{ID: id, Message: "!log " + id, Time: time.Date(2026, 1, 2, 3, 4, 5, 678900, time.UTC)}
	for n := range parts {
		d.Records = append(d.Records, Record{
			Time:  d.Time,
			Event: Event{ID: PartID(id, n+1), Action: `set/a="b]\`, Outcome: Success},
			User:  User{Name: "alice", ID: "1"}, Host: Host{Name: "h1"},
			Change: ChangeRecord{Selector: "<s>", Run: id, Objects: []Object{{Type: "node", Path: fmt.Sprintf("a/%d", n)}}},
		})
	}
	return d
}

// line is a line of a file sink.
type line struct {
	Record
	Message string `json:"message"`
}

// lines reads the lines that a file sink has written.
func lines(t *testing.T, path string) []line {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var all []line
	for _, one := range bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
		var l line
		if len(one) == 0 {
			continue
		}
		if err := json.Unmarshal(one, &l); err != nil {
			t.Fatalf("%v: %s", err, one)
		}
		all = append(all, l)
	}
	return all
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.json")
	f := File{Path: path}
	for _, d := range []Delivery{made("one", 1), made("three", 3), made("none", 0)} {
		if err := f.Send(within(t), d); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for i, want := range []string{"one 1 !log one alice <s>", "three 3 !log three alice <s>", "none 0 !log none  "} {
		l := lines(t, path)[i]
		if got := fmt.Sprint(l.Event.ID, " ", len(l.Change.Objects), " ", l.Message, " ", l.User.Name, " ", l.Change.Selector); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if !l.Time.Equal(made("", 0).Time) {
			t.Errorf("at %v", l.Time)
		}
	}
}

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "is a directory", filepath.Join(dir, "no", "file"): "no such file or directory"} {
		err := File{Path: path, Label: "audit"}.Send(within(t), made("x", 1))
		if want := "audit " + path + ": " + want; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestFileIsMovedAway: the file may be renamed, as by logrotate, even while a
// writer waits for it.
func TestFileIsMovedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.json")
	f := File{Path: path}
	send := func(id string) {
		if err := f.Send(within(t), made(id, 1)); err != nil {
			t.Error(err)
		}
	}
	send("1")
	held, err := f.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() { send("2") })
	time.Sleep(20 * time.Millisecond)
	if err := errors.Join(os.Rename(path, path+".1"), held.Close()); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	send("3")
	old, now := lines(t, path+".1"), lines(t, path)
	if len(old) != 1 || len(now) != 2 || now[0].Event.ID != "2" || now[1].Event.ID != "3" {
		t.Errorf("%d lines in the old file, %d in the new", len(old), len(now))
	}
}

func TestFileWithATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.json")
	if err := os.WriteFile(path, []byte("{}\n{\"torn\": "), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := (File{Path: path}).Send(within(t), made("x", 1)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(string(text), "\n")
	if len(got) != 5 || got[1] != `{"torn": ` || got[2] != got[3] || got[4] != "" {
		t.Errorf("%q", got)
	}
}

func TestFileIsLocked(t *testing.T) {
	f := File{Path: filepath.Join(t.TempDir(), "log.json")}
	held, err := f.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close() //nolint:errcheck // a test's
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := f.Send(ctx, made("x", 1)); err == nil || !strings.Contains(err.Error(), "locked by somebody else") {
		t.Errorf("%v", err)
	}
}

// child returns a command that runs a test of this binary in a new process, with
// arguments.
func child(t *testing.T, test string, words ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$") //nolint:noctx // killed by its test
	cmd.Env = append(os.Environ(), "SAL_CHILD="+strings.Join(words, " "))
	cmd.Stderr = os.Stderr
	return cmd
}

// childWords returns the arguments of a child; none in the parent.
func childWords() []string { return strings.Fields(os.Getenv("SAL_CHILD")) }

// TestFileOfManyProcesses: no line is lost, torn or mixed with another.
func TestFileOfManyProcesses(t *testing.T) {
	const processes, each = 6, 50
	if words := childWords(); len(words) > 0 {
		for n := range each {
			d := made(fmt.Sprintf("%s-%d", words[1], n), 1)
			d.Message = strings.Repeat("x", 9000) // more than a pipe or a page takes in one write
			if err := (File{Path: words[0]}).Send(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	path := filepath.Join(t.TempDir(), "log.json")
	var running []*exec.Cmd
	for n := range processes {
		cmd := child(t, "TestFileOfManyProcesses", path, fmt.Sprint("p", n))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	seen := map[string]int{} // the next number of each process
	for _, l := range lines(t, path) {
		who, n, _ := strings.Cut(l.Event.ID, "-")
		if n != fmt.Sprint(seen[who]) || len(l.Message) != 9000 {
			t.Errorf("%s after %d of that process", l.Event.ID, seen[who])
		}
		seen[who]++
	}
	for n := range processes {
		if got := seen[fmt.Sprint("p", n)]; got != each {
			t.Errorf("process %d: %d lines", n, got)
		}
	}
}

func TestSyslog(t *testing.T) {
	want := regexp.MustCompile(`^<13>1 2026-01-02T03:04:05\.000678Z h1 confctl - change ` +
		`\[confctl@32473 id="x" user="alice" action="set/a=\\"b\\]\\\\"\] !log x\n?$`)
	for _, network := range []string{"unixgram", "unix"} {
		path := filepath.Join(t.TempDir(), "log")
		heard := make(chan string, 2)
		if network == "unixgram" {
			conn, err := net.ListenUnixgram(network, &net.UnixAddr{Name: path, Net: network})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			go hear(conn, heard)
		} else {
			listener, err := net.Listen(network, path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
			go func() {
				conn, err := listener.Accept()
				if err == nil {
					hear(conn, heard)
				}
			}()
		}
		if err := (Syslog{Path: path}).Send(within(t), made("x", 1)); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; !want.MatchString(got) {
			t.Errorf("%s: %q", network, got)
		}
	}
}

// hear reads one message and sends it to a channel.
func hear(conn net.Conn, heard chan<- string) {
	text := make([]byte, 1<<16)
	n, err := conn.Read(text)
	if err != nil {
		n = copy(text, err.Error())
	}
	heard <- string(text[:n])
}

func TestSyslogCuts(t *testing.T) {
	d := made("x", 1)
	d.Message = strings.Repeat("é", 3000)
	d.Records[0].Event.Action = strings.Repeat("a", 3000)
	d.Records[0].Host.Name = ""
	if got := syslogLine(d); len(got) > 2048 || len(got) < 2040 || !strings.HasPrefix(string(got), "<13>1 2026-01-02T03:04:05.000678Z - confctl ") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	err := Syslog{Path: "/nowhere/log"}.Send(within(t), d)
	if err == nil || err.Error() != "syslog /nowhere/log: no such file or directory" {
		t.Errorf("%v", err)
	}
}

func TestWebhook(t *testing.T) {
	var got line
	var posts int
	status := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts++
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "confctl" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer server.Close()
	hook := Webhook{URL: strings.Replace(server.URL, "://", "://user:secret@", 1) + "/x?token=secret"}
	for _, status = range []int{200, 204, 302, 307, 404, 503} {
		posts = 0
		err := hook.Send(within(t), made("x", 2))
		want := fmt.Sprintf("webhook %s: %d %s", server.URL, status, http.StatusText(status))
		if (err == nil) != (status < 300) || (err != nil && err.Error() != want) {
			t.Errorf("%d: %v, want %s", status, err, want)
		}
		if posts != 1 || got.Event.ID != "x" || len(got.Change.Objects) != 2 || got.Message != "!log x" {
			t.Errorf("%d: %d posts, %+v", status, posts, got)
		}
	}
}

func TestWebhookErrors(t *testing.T) {
	err := Webhook{URL: "http://127.0.0.1:9/x?token=secret"}.Send(within(t), made("x", 1))
	if err == nil || err.Error() != "webhook http://127.0.0.1:9: connection refused" {
		t.Errorf("%v", err)
	}
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err = Webhook{URL: server.URL}.Send(ctx, made("x", 1))
	if err == nil || !strings.HasSuffix(err.Error(), ": no answer in time") {
		t.Errorf("%v", err)
	}
}
