package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// childEnv tells a process started by these tests what to do and with which file.
const childEnv = "LOCAL_TEST_CHILD"

func TestMain(m *testing.M) {
	role, path, isChild := strings.Cut(os.Getenv(childEnv), " ")
	if !isChild {
		os.Exit(m.Run())
	}
	s, err := Open(path, Options{Timeout: 30 * time.Second})
	if err == nil {
		err = map[string]func(*Store) error{
			"count": childCount, "write": childWrite, "hold": childHold, "fill": childFill, "echo": childEcho,
		}[role](s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a process started by a test.
type child struct {
	*exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Scanner
}

func start(t testing.TB, role, path string) child {
	t.Helper()
	c := child{Cmd: exec.Command(os.Args[0])}
	c.Env = append(os.Environ(), childEnv+"="+role+" "+path)
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin, c.out = stdin, bufio.NewScanner(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c child) kill(t testing.TB) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.Wait() // the error is that it was killed
}

const childRounds = 25

// childCount increments a counter by compare-and-set.
func childCount(s *Store) error {
	ctx := context.Background()
	for range childRounds {
		for {
			snap, err := s.Read(ctx, "/counter")
			if err != nil {
				return err
			}
			var e store.Entry
			if len(snap.Entries) > 0 {
				e = snap.Entries[0]
			}
			n, _ := strconv.Atoi(string(e.Value)) // an absent counter is 0
			_, err = s.Commit(ctx, store.Txn{
				Guards: []store.Guard{{Key: "/counter", Revision: e.Modified}},
				Writes: []store.Write{{Key: "/counter", Value: []byte(strconv.Itoa(n + 1))}},
			})
			if err == nil {
				break
			}
			if c := (*store.ConflictError)(nil); !errors.As(err, &c) {
				return err
			}
		}
	}
	return nil
}

func TestProcessesLoseNoUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "store")
	var children []child
	for range 4 {
		children = append(children, start(t, "count", path))
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	snap := read(t, open(t, path), "/counter")
	if want := 4 * childRounds; string(snap.Entries[0].Value) != strconv.Itoa(want) || snap.Revision != store.Revision(want) {
		t.Fatalf("counter %s at revision %d, want %d", snap.Entries[0].Value, snap.Revision, want)
	}
}

const torn = 10

// childWrite writes the same number to several keys, with a value of changing size,
// and prints each number once its commit has returned.
func childWrite(s *Store) error {
	snap, err := s.Read(context.Background(), "/k/")
	for n := int(snap.Revision) + 1; err == nil; n++ {
		txn := store.Txn{Writes: []store.Write{{Key: "/ballast", Value: make([]byte, n%7*3000)}}}
		for i := range torn {
			txn.Writes = append(txn.Writes, store.Write{Key: fmt.Sprintf("/k/%d", i), Value: []byte(strconv.Itoa(n))})
		}
		if _, err = s.Commit(context.Background(), txn); err == nil {
			fmt.Println(n)
		}
	}
	return err
}

// TestKill kills a writer repeatedly: every acknowledged transaction must be there,
// none may be torn, and the change log must have every revision.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	for range 30 {
		c := start(t, "write", path)
		acked := 0
		if rand.IntN(5) > 0 && c.out.Scan() { // otherwise it may be killed while it creates the file
			acked = parse(t, c.out.Text())
			time.Sleep(time.Duration(rand.IntN(10_000)) * time.Microsecond)
		} else {
			time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for c.out.Scan() {
			acked = parse(t, c.out.Text())
		}
		_ = c.Wait()
		checkAfterKill(t, s, store.Revision(acked))
	}
	t.Logf("%d transactions", read(t, s).Revision)
}

func checkAfterKill(t *testing.T, s *Store, acked store.Revision) {
	t.Helper()
	snap := read(t, s, "/k/")
	if snap.Revision < acked || acked > 0 && snap.Revision > acked+1 {
		t.Fatalf("the store is at revision %d, acknowledged were %d", snap.Revision, acked)
	}
	for _, e := range snap.Entries {
		if string(e.Value) != strconv.Itoa(int(snap.Revision)) || len(snap.Entries) != torn {
			t.Fatalf("torn: %d entries, %s = %s at revision %d", len(snap.Entries), e.Key, e.Value, snap.Revision)
		}
	}
	seen := watch(t, s, max(0, snap.Revision-50), snap.Revision, "/k/")
	if want := min(50, int(snap.Revision)); len(seen) != want {
		t.Fatalf("the log has %d of the last %d transactions", len(seen), want)
	}
}

func parse(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// childHold locks the file until its input ends.
func childHold(s *Store) error {
	file, err := s.open(context.Background(), true)
	if err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, file.Close())
}

func TestLockHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	put(t, open(t, path), "/k", "1")
	holder := start(t, "hold", path)
	defer holder.kill(t)
	if !holder.out.Scan() {
		t.Fatal("the other process did not get the lock")
	}
	s, err := Open(path, Options{Timeout: 150 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for what, err := range requests(s) {
		unavailable(t, what, path, err, "another process has it locked")
	}
	if took := time.Since(begin); took < 450*time.Millisecond || took > time.Minute {
		t.Errorf("three requests took %v, each may wait for 150ms", took)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = open(t, path).Read(ctx, "/k")
	unavailable(t, "read with a deadline", path, err, "another process has it locked")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read with a deadline: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err = open(t, path).Commit(ctx, store.Txn{Writes: []store.Write{{Key: "/k"}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("commit, cancelled while waiting: %v", err)
	}
	if err := holder.stdin.Close(); err != nil { // it releases the lock
		t.Fatal(err)
	}
	put(t, open(t, path), "/k", "2")
}

// TestReadersLetWritersIn keeps the file locked by overlapping readers. A commit must
// get the lock nevertheless.
func TestReadersLetWritersIn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no door")
	}
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	put(t, s, "/k", "1")
	next := make(chan *os.File)
	reader := func() {
		file, err := s.open(context.Background(), false)
		if err != nil {
			t.Error(err)
		}
		next <- file
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		put(t, s, "/k", "2")
	}()
	go reader()
	for held := <-next; ; {
		go reader()
		var relief *os.File
		select {
		case relief = <-next:
		case <-time.After(50 * time.Millisecond): // it must wait for the commit
		}
		_ = held.Close() // held is nil if opening failed
		if relief == nil {
			relief = <-next
		}
		held = relief
		select {
		case <-done:
			_ = held.Close()
			return
		default:
		}
	}
}

// childFill writes until the file may not grow any more, and prints how far it got.
func childFill(s *Store) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, limit); err != nil {
		return err
	}
	for n := 0; n < 100; n++ {
		_, err := s.Commit(context.Background(), store.Txn{Writes: []store.Write{{Key: fmt.Sprintf("/fill/%03d", n), Value: make([]byte, 20_000)}}})
		if err != nil {
			fmt.Printf("%d\n%T %v\n", n, err, err)
			return nil
		}
	}
	return errors.New("the limit did not hold")
}

func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	c := start(t, "fill", path)
	var lines []string
	for c.out.Scan() {
		lines = append(lines, c.out.Text())
	}
	if err := c.Wait(); err != nil || len(lines) != 2 {
		t.Fatalf("%v, %q", err, lines)
	}
	if !strings.HasPrefix(lines[1], "*store.UnavailableError store unavailable: "+path+": ") || !strings.Contains(lines[1], "file too large") {
		t.Errorf("the error is %q", lines[1])
	}
	s := open(t, path)
	if got := len(read(t, s, "/fill/").Entries); strconv.Itoa(got) != lines[0] || got < 10 {
		t.Errorf("%d entries, acknowledged were %s", got, lines[0])
	}
	put(t, s, "/k", "there is room again")
}

// childEcho prints the value of each change of a key.
func childEcho(s *Store) error {
	for b, err := range s.Watch(context.Background(), 0, "/ping") {
		if err != nil {
			return err
		}
		for _, e := range b.Events {
			fmt.Println(string(e.Value))
		}
	}
	return nil
}

// BenchmarkWatch measures the time from the return of a commit until another process
// has seen it.
func BenchmarkWatch(b *testing.B) {
	path := filepath.Join(b.TempDir(), "store")
	s := open(b, path)
	echo := start(b, "echo", path)
	defer echo.kill(b)
	put(b, s, "/ping", "start")
	echo.out.Scan()
	var waited time.Duration
	for n := 0; b.Loop(); n++ {
		put(b, s, "/ping", strconv.Itoa(n))
		begin := time.Now()
		if !echo.out.Scan() || echo.out.Text() != strconv.Itoa(n) {
			b.Fatalf("change %d: the other process saw %q", n, echo.out.Text())
		}
		waited += time.Since(begin)
	}
	b.ReportMetric(float64(waited.Microseconds())/float64(b.N), "µs-to-watcher")
}
