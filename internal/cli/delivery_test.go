package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// Variables that say how many changes are made on the embedded store, a
// quarter of it on etcd, and which random course to take: what is changed, who
// is killed, and after which part of its time.
const (
	changesVariable = "CONFCTL_CHANGES"
	seedVariable    = "CONFCTL_SEED"
)

// TestNothingIsLost makes one change after another, while the program and those
// whom it tells are killed at random. In the end, all of them have been told of
// every change of the journal, in its order, and of nothing else.
func TestNothingIsLost(t *testing.T) {
	changes := courseChanges(t)
	seed := courseSeed(t)
	for _, o := range []struct {
		store   string
		changes int
	}{{"local", changes}, {"etcd", (changes + 3) / 4}} {
		t.Run(o.store, func(t *testing.T) {
			t.Logf("%s=%d", seedVariable, seed)
			c := newCourse(t, o.store, seed, o.changes)
			for i := range o.changes {
				c.disturb(t)
				c.change(t, i)
				if c.oneIn(min(30, o.changes/5)) {
					c.deliver(t)
				}
			}
			c.deliverAll(t)
			c.judge(t)
			c.tell(t)
		})
	}
}

func courseChanges(t *testing.T) int {
	t.Helper()
	text := os.Getenv(changesVariable)
	switch {
	case text == "" && (testing.Short() || underRace()):
		return 20
	case text == "":
		return 60
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 10 {
		t.Fatalf("%s is a number of changes, at least 10, not %q", changesVariable, text)
	}
	return n
}

func courseSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(seedVariable)
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is a number, not %q", seedVariable, text)
	}
	return seed
}

// course is a site where changes are made one after another, and those who are
// told of them.
type course struct {
	*storm
	random  *rand.Rand
	changes int
	bot     *taker
	hook    *taker
	runs    []courseRun
	times   []time.Duration // of changes that nobody cut short
	figures map[string]int  // what happened, how many times
	begun   time.Time
}

// courseRun is how a run of the program ended.
type courseRun struct {
	action   string // of a change
	killed   bool
	code     int
	out, err string
}

// What is told, by sink.
const (
	courseFile   = "changes.json"
	courseConfig = `timeout: 30s
sal:
  - {sink: tcpircbot, address: "%s"}
  - {sink: file, path: ` + courseFile + `}
  - {sink: webhook, url: "http://%s/"}
`
)

func newCourse(t *testing.T, driver string, seed uint64, changes int) *course {
	t.Helper()
	c := &course{
		storm: newStorm(t, driver), random: rand.New(rand.NewPCG(seed, 0)), changes: changes,
		bot:     newTaker(t, readAll, ""),
		hook:    newTaker(t, readPost, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
		figures: map[string]int{}, begun: time.Now(),
	}
	c.ok("sync", "--directory", "data") // which nobody is told of
	c.file("confctl.yaml", fmt.Sprintf(courseConfig, c.bot.address, c.hook.address))
	return c
}

// oneIn is true one in so many times.
func (c *course) oneIn(n int) bool { return c.random.IntN(max(n, 1)) == 0 }

// disturb kills those who are told, now or with the next message on its way, and
// starts them again.
func (c *course) disturb(t *testing.T) {
	t.Helper()
	for _, k := range []*taker{c.bot, c.hook} {
		switch {
		case k.isDead():
			if c.oneIn(3) {
				k.start(t)
			}
		case c.oneIn(min(50, c.changes/4)):
			c.kill(k)
		}
	}
}

// kill kills a taker: now, or with the next message on its way, after which it
// may be back at once.
func (c *course) kill(k *taker) {
	if c.oneIn(2) {
		k.kill()
	} else {
		k.killLater(c.oneIn(2))
	}
}

// change makes one change, unlike any other. Two of five are to die on the
// way; some are done before.
func (c *course) change(t *testing.T, i int) {
	t.Helper()
	hosts := [][2]string{{"http", "web1"}, {"https", "web1"}, {"http", "web2"}, {"https", "web2"}, {"http", "web3"}}
	host := hosts[c.random.IntN(len(hosts))]
	action := fmt.Sprintf("set/weight=%d", i+1)
	selector := fmt.Sprintf("dc=north,cluster=web,service=%s,name=%s.example", host[0], host[1])
	const enough = 3 // to know how long it takes
	var end *courseEnd
	if c.random.IntN(5) < 2 && len(c.times) >= enough {
		end = c.end()
	}
	begun := time.Now()
	r := c.execute(t, end, "select", selector, action)
	if r.action = action; end == nil {
		c.times = append(c.times, time.Since(begun))
	}
	if c.runs = append(c.runs, r); r.killed {
		c.figures["killed "+c.phase(t, action)]++
	}
}

// courseEnd is when a run of the program is killed.
type courseEnd struct {
	done  bool // it has said first what it has done
	after time.Duration
}

// end chooses when to kill a change: at any moment, or when it has committed
// and delivers.
func (c *course) end() *courseEnd {
	times := slices.Sorted(slices.Values(c.times))
	most := float64(times[len(times)/2])
	const delivery = 0.2 // of the time, or a little more than it takes
	if c.oneIn(2) {
		return &courseEnd{true, time.Duration(delivery * c.random.Float64() * most)}
	}
	return &courseEnd{false, time.Duration(c.random.Float64() * most)}
}

// await waits until it is time.
func (e *courseEnd) await(said <-chan struct{}) {
	const most = 10 * time.Second // for one that has nothing to say
	if e.done {
		select {
		case <-said:
		case <-time.After(most):
		}
	}
	time.Sleep(e.after)
}

// courseOutput is what a run prints.
type courseOutput struct {
	text bytes.Buffer
	once sync.Once
	said chan struct{} // closed when there is something
}

func (o *courseOutput) Write(p []byte) (int, error) {
	o.once.Do(func() { close(o.said) })
	return o.text.Write(p)
}

// execute runs the program, and kills it on the way unless end is nil.
func (c *course) execute(t *testing.T, end *courseEnd, args ...string) courseRun {
	t.Helper()
	out, talk := &courseOutput{said: make(chan struct{})}, &bytes.Buffer{}
	cmd := c.command(args...)
	cmd.Stdout, cmd.Stderr = out, talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // it is missing then
	defer late.Stop()
	if end != nil {
		end.await(out.said)
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	r := courseRun{code: cmd.ProcessState.ExitCode(), out: out.text.String(), err: talk.String()}
	if r.killed = r.code == -1; r.killed && end == nil {
		t.Fatalf("confctl %q does not end\n%s%s", args, r.out, r.err)
	}
	if r.killed {
		c.figures["killed"]++
	}
	if tookTooLong(r.err) {
		c.figures["a sink took too long"]++
	}
	return r
}

// tookTooLong reports whether the program has given a message up that its sink
// may all the same have taken.
func tookTooLong(talk string) bool {
	return strings.Contains(talk, "no answer") || strings.Contains(talk, "timeout") || strings.Contains(talk, "deadline")
}

// phase says how far a change came before it was killed, by what is stored and
// in the file.
func (c *course) phase(t *testing.T, action string) string {
	t.Helper()
	journal, err := c.store.List(t.Context(), stormJournal, store.Page{Order: store.NewestFirst, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	last, err := sal.ParseRecord(journal.Entries[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	outbox, err := c.store.Read(t.Context(), "/conftool/.confctl/outbox/")
	if err != nil {
		t.Fatal(err)
	}
	waits := slices.ContainsFunc(outbox.Entries, func(e store.Entry) bool {
		return strings.HasSuffix(e.Key, "/file/"+last.Event.ID)
	})
	switch inFile := strings.Contains(c.read(t), last.Event.ID); {
	case last.Event.Action != action:
		return "before the commit"
	case !inFile:
		return "before the delivery"
	case waits:
		return "during the delivery"
	}
	return "after the delivery"
}

// read returns what is in the file.
func (c *course) read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, courseFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// deliver delivers what waits, as far as it can: it may die on the way, and so
// may those whom it tells.
func (c *course) deliver(t *testing.T) {
	t.Helper()
	for _, k := range []*taker{c.bot, c.hook} {
		if c.oneIn(2) {
			k.start(t)
		}
		if c.oneIn(2) {
			k.killLater(c.oneIn(2))
		}
	}
	var end *courseEnd
	if c.oneIn(2) && len(c.times) > 0 {
		const longer = 2 // than a change, which sends less
		end = &courseEnd{false, longer * c.end().after}
	}
	r := c.execute(t, end, "log", "deliver")
	c.figures["log deliver in between"]++
	if !r.killed && r.code != exitDone && r.code != exitFailed {
		t.Errorf("log deliver: exit code %d\n%s%s", r.code, r.out, r.err)
	}
}

// deliverAll delivers all that waits, to those who are all there now. If one
// took too long, on a busy machine, it is tried again.
func (c *course) deliverAll(t *testing.T) {
	t.Helper()
	c.bot.start(t)
	c.hook.start(t)
	r := c.execute(t, nil, "log", "deliver")
	for again := 0; again < 3 && r.code == exitFailed && tookTooLong(r.err); again++ {
		r = c.execute(t, nil, "log", "deliver")
	}
	if r.code != exitDone {
		t.Errorf("log deliver: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if got := c.ok("log", "status"); got != "nothing waits for delivery\n" {
		t.Errorf("after log deliver: %s", got)
	}
}

// judge compares the journal with what was said to be done, what is stored, and
// what the sinks were told.
func (c *course) judge(t *testing.T) {
	t.Helper()
	var records []sal.Record
	for line := range strings.Lines(c.ok("log", "-n", "0", "-o", "json")) {
		r, err := sal.ParseRecord([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	slices.Reverse(records) // the oldest first, which is the sync
	c.checkObjects(t, records)
	c.checkRuns(t, records[1:])
	var lines, documents []string
	for _, r := range records[1:] {
		line := fmt.Sprintf("!log %s@%s conftool action : %s; selector: %s", r.User.Name, r.Host.Name, r.Event.Action, r.Change.Selector)
		lines, documents = append(lines, line), append(documents, courseDocument(t, r, line))
	}
	said, botDeaths := c.bot.taken()
	posted, hookDeaths := c.hook.taken()
	c.checkTold(t, "bot", lines, said)
	c.checkTold(t, "file", documents, c.documents(t))
	c.checkTold(t, "webhook", documents, posted)
	c.figures["in the journal"], c.figures["bot killed"], c.figures["webhook killed"] = len(lines), botDeaths, hookDeaths
}

// courseDocument is a change as file and webhook have it: the record, and the
// announcement.
func courseDocument(t *testing.T, r sal.Record, message string) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		sal.Record
		Message string `json:"message"`
	}{r, message})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// checkObjects checks that each record begins with what the one before has left
// of its object, and that what the last has left is what is stored.
func (c *course) checkObjects(t *testing.T, records []sal.Record) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, r := range records {
		for _, o := range r.Change.Objects {
			if o.Type != "node" {
				continue
			}
			if was := want[o.Path]; r.Refused() || o.Before.Text() != was {
				t.Errorf("%s %s: %s was %s, not %s", r.Event.Action, r.Event.Outcome, o.Path, was, o.Before.Text())
			}
			want[o.Path] = o.After.Text()
		}
	}
	const pools = "/conftool/v1/pools/"
	now, err := c.store.Read(t.Context(), pools)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range now.Entries {
		got[strings.TrimPrefix(e.Key, pools)] = string(e.Value)
	}
	if !maps.Equal(got, want) {
		t.Errorf("stored is %v, but in the journal %v", got, want)
	}
}

// checkRuns checks that each change in the journal was asked for, that it was
// made once, and that the journal has all those that are said to be made.
func (c *course) checkRuns(t *testing.T, records []sal.Record) {
	t.Helper()
	made := map[string]string{} // the id by the action
	for _, r := range records {
		if made[r.Event.Action] != "" {
			t.Errorf("%s was made twice", r.Event.Action)
		}
		made[r.Event.Action] = r.Event.ID
	}
	for _, r := range c.runs {
		id := made[r.action]
		done := r.code == exitDone || strings.Contains(r.out, "weight changed")
		switch {
		case !r.killed && r.code != exitDone,
			done && id == "",
			r.code == exitDone && !slices.Contains(strings.Fields(r.err), id):
			t.Errorf("%s: exit code %d, in the journal as %q\n%s%s", r.action, r.code, id, r.out, r.err)
		}
		delete(made, r.action)
	}
	if len(made) > 0 {
		t.Errorf("nobody has asked for %v", made)
	}
}

// documents returns the lines of the file. Of one whose writer was killed while
// writing there may only be the beginning, before the whole.
func (c *course) documents(t *testing.T) []string {
	t.Helper()
	var whole, torn []string
	for line := range strings.Lines(c.read(t)) {
		if !json.Valid([]byte(line)) {
			torn = append(torn, strings.TrimSuffix(line, "\n"))
			continue
		}
		for _, part := range torn {
			c.figures["torn lines"]++
			if !strings.HasPrefix(line, part) {
				t.Errorf("in the file is neither JSON nor the beginning of the next line: %s", part)
			}
		}
		whole, torn = append(whole, line), nil
	}
	if len(torn) > c.figures["killed"] {
		t.Errorf("in the file, the last lines are not JSON: %q", torn)
	}
	return whole
}

// checkTold checks what a sink was told: all of the journal, in its order, and
// nothing else. A process that delivers goes on from the first message that is
// not known to be taken. So nothing is ever passed over, and it goes back only
// where one was killed before it could say that a message was taken, or gave
// it up too soon.
func (c *course) checkTold(t *testing.T, sink string, want, got []string) {
	t.Helper()
	place := map[string]int{}
	for i, text := range want {
		place[text] = i
	}
	last, back := -1, 0
	for _, text := range got {
		at, known := place[text]
		if !known {
			t.Errorf("the %s was told of what is not in the journal: %q", sink, text)
			continue
		}
		if at > last+1 {
			t.Errorf("the %s was told %q\nbefore %q", sink, text, want[last+1])
		}
		if at <= last {
			back++
		}
		last = at
	}
	if last != len(want)-1 {
		t.Errorf("the %s was told last %d of %d changes: it lacks %q", sink, last+1, len(want), want[last+1:])
	}
	if most := c.figures["killed"] + c.figures["a sink took too long"]; back > most {
		t.Errorf("the %s was told again from an earlier change on %d times, which %d times may happen", sink, back, most)
	}
	c.figures[sink+" told again"] = len(got) - len(want)
}

// tell prints what happened.
func (c *course) tell(t *testing.T) {
	t.Helper()
	t.Logf("%d changes in %v", c.changes, time.Since(c.begun).Round(time.Millisecond))
	for _, what := range slices.Sorted(maps.Keys(c.figures)) {
		t.Logf("%5d %s", c.figures[what], what)
	}
	const many = 500 // changes, with which there is no chance that one is missing
	for _, phase := range []string{"before the commit", "before the delivery", "during the delivery", "after the delivery"} {
		if c.changes >= many && c.figures["killed "+phase] == 0 {
			t.Errorf("no change was killed %s", phase)
		}
	}
}

// taker is a server that takes messages, and can be killed and started again at
// its address. It takes one connection after another, so it has the messages in
// the order in which they were sent.
type taker struct {
	address string
	receive func(io.Reader) (string, error) // reads one message
	answer  string                          // to a message

	mu       sync.Mutex
	listener net.Listener // nil while it is dead
	open     net.Conn     // the one it reads from
	dying    bool         // with the next message
	back     bool         // at once, after that
	deaths   int
	messages []string
}

// newTaker starts one, until the test ends.
func newTaker(t *testing.T, receive func(io.Reader) (string, error), answer string) *taker {
	t.Helper()
	k := &taker{receive: receive, answer: answer}
	// Not one of those that systems hand out, since it is to be free when the
	// taker comes back.
	const first, ports, tries = 10_000, 20_000, 100
	for range tries {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(ports)))
		if err != nil {
			continue
		}
		k.address = l.Addr().String()
		k.run(l)
		t.Cleanup(func() { k.kill() })
		return k
	}
	t.Fatal("no free port")
	return nil
}

func readAll(r io.Reader) (string, error) {
	message, err := io.ReadAll(r)
	return string(message), err
}

// readPost reads a request as a webhook does.
func readPost(r io.Reader) (string, error) {
	request, err := http.ReadRequest(bufio.NewReader(r))
	if err != nil {
		return "", err
	}
	if request.Method != http.MethodPost {
		return "", fmt.Errorf("a request is %s", request.Method)
	}
	return readAll(request.Body)
}

// start brings it back, if it is dead.
func (k *taker) start(t *testing.T) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dying = false; k.listener != nil {
		return
	}
	l, err := net.Listen("tcp", k.address)
	if err != nil {
		t.Fatal(err)
	}
	k.run(l)
}

// comeBack is as a supervisor starts it again. If that fails, it stays dead.
func (k *taker) comeBack() {
	if l, err := net.Listen("tcp", k.address); err == nil {
		k.run(l)
	}
}

func (k *taker) run(l net.Listener) {
	k.listener = l
	go k.serve(l)
}

// kill ends it as a signal does: what was not taken is lost, and its sender sees
// its connection reset.
func (k *taker) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.die()
}

// killLater kills it with the next message, read but not taken. It may be back
// at once.
func (k *taker) killLater(back bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dying, k.back = true, back
}

func (k *taker) die() {
	if k.listener == nil {
		return
	}
	_ = k.listener.Close()
	if k.open != nil {
		reset(k.open)
	}
	k.listener, k.open, k.dying = nil, nil, false
	k.deaths++
}

// reset closes a connection as the system does for a process that has died.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (k *taker) isDead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.listener == nil
}

// taken returns the messages, and how many times it was killed.
func (k *taker) taken() ([]string, int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.messages), k.deaths
}

func (k *taker) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil || !k.begin(l, c) {
			return
		}
		message, err := k.receive(c)
		k.end(c, message, err)
	}
}

// begin reports whether it lives to read from a connection.
func (k *taker) begin(l net.Listener, c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.listener != l { // killed just now
		reset(c)
		return false
	}
	k.open = c
	return true
}

// end takes what was read, unless it was killed, or the sender before it had
// said it.
func (k *taker) end(c net.Conn, message string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open != c { // killed while reading
		return
	}
	if k.dying && message != "" {
		k.die()
		if k.back {
			k.comeBack()
		}
		return
	}
	k.open = nil
	if err == nil && message != "" {
		k.messages = append(k.messages, message)
		_, _ = io.WriteString(c, k.answer) // if the sender is dead, nobody hears it
	}
	_ = c.Close()
}
