package sal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/store/local"
)

// office is a store with an outbox, a clock, a bot and a file for each host.
type office struct {
	*testing.T
	store          store.Store
	reads, commits atomic.Int64
	broken         func(store.Txn) error // returns the error of a commit
	skew           atomic.Int64          // added to the clock
	bot            *channel
	dir            string
	made           int // number of changes
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, dir: t.TempDir(), bot: newChannel(t, "")}
	o.store = openStore(t, filepath.Join(o.dir, "state.db"))
	return o
}

func openStore(t *testing.T, path string) store.Store {
	t.Helper()
	s, err := local.Open(path, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// counted is the store of the logs, which counts their requests.
type counted struct {
	store.Store
	o *office
}

func (c counted) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	c.o.reads.Add(1)
	return c.Store.Read(ctx, prefixes...)
}

func (c counted) Commit(ctx context.Context, txn store.Txn) (store.Receipt, error) {
	c.o.commits.Add(1)
	if c.o.broken != nil {
		if err := c.o.broken(txn); err != nil {
			return store.Receipt{}, err
		}
	}
	return c.Store.Commit(ctx, txn)
}

func (o *office) now() time.Time { return time.Now().Add(time.Duration(o.skew.Load())) }

func (o *office) sleep(d time.Duration) { o.skew.Add(int64(d)) }

func (o *office) file(host string) string { return filepath.Join(o.dir, host+".json") }

// log returns the log of a process about which others cannot tell whether it is
// alive. Its sinks are the bot and the host's file.
func (o *office) log(host string, pid int) *Log {
	return &Log{
		Store:  counted{o.store, o},
		Prefix: "/c/.confctl/",
		Sinks:  []Sink{Bot{Address: o.bot.address}, File{Path: o.file(host)}},
		Self:   Holder{Host: host, PID: pid, Boot: fmt.Sprint("boot of ", host, pid), Start: "1"},
		Now:    o.now,
	}
}

// commit commits a change without delivery. Ids are 1, 2, 3 and so on.
func (o *office) commit(l *Log, quiet bool) Delivery {
	o.Helper()
	o.made++
	return o.commitPart(l, Delivery{ID: fmt.Sprint(o.made), Quiet: quiet})
}

// commitPart commits another part of a change.
func (o *office) commitPart(l *Log, d Delivery) Delivery {
	o.Helper()
	n := len(d.Records) + 1
	r := Record{
		Time:   o.now().UTC(),
		Event:  Event{ID: PartID(d.ID, n), Action: "set/a=b", Outcome: Success},
		User:   User{Name: "alice"},
		Host:   Host{Name: l.Self.Host},
		Change: ChangeRecord{Selector: "name=" + d.ID, Run: d.ID, Objects: []Object{{Type: "node", Path: fmt.Sprintf("a/%s/%d", d.ID, n)}}},
	}
	d.Message = "m" + d.ID
	writes, err := l.Writes(r, d.Message, d.Quiet)
	if err != nil {
		o.Fatal(err)
	}
	receipt, err := o.store.Commit(o.Context(), store.Txn{Once: l.Key(r.Event.ID), Writes: writes})
	if err != nil {
		o.Fatal(err)
	}
	d.Revision, d.Records = receipt.Revision, append(d.Records, r)
	return d
}

// seen returns the entries that a change reads for Deliver.
func (o *office) seen(l *Log) []store.Entry {
	o.Helper()
	found, err := o.store.Read(o.Context(), l.Prefixes()...)
	if err != nil {
		o.Fatal(err)
	}
	return found.Entries
}

// change makes and delivers a change. It returns the errors of Deliver.
func (o *office) change(l *Log, quiet bool) string {
	o.Helper()
	seen := o.seen(l)
	return text(l.Deliver(o.Context(), o.commit(l, quiet), seen))
}

func text(errs []error) string {
	if err := errors.Join(errs...); err != nil {
		return err.Error()
	}
	return ""
}

// leave makes changes by processes that die after the commit.
func (o *office) leave(host string, changes int) {
	o.Helper()
	for n := range changes {
		o.commit(o.log(host, 1000+n), false)
	}
}

// written returns the ids in a host's file.
func (o *office) written(host string) string {
	o.Helper()
	var ids []string
	for _, l := range lines(o.T, o.file(host)) {
		ids = append(ids, l.Event.ID)
	}
	return strings.Join(ids, " ")
}

// outbox returns the keys in the outbox.
func (o *office) outbox() string {
	o.Helper()
	found, err := o.store.Read(o.Context(), "/c/.confctl/outbox/")
	if err != nil {
		o.Fatal(err)
	}
	var keys []string
	for _, e := range found.Entries {
		keys = append(keys, strings.TrimPrefix(e.Key, "/c/.confctl/outbox/"))
	}
	return strings.Join(keys, " ")
}

// want compares a result with the expected one.
func (o *office) want(what, got, want string) {
	o.Helper()
	if got != want {
		o.Errorf("%s: %q, want %q", what, got, want)
	}
}

// numbers returns the numbers from a to b, with a letter before each.
func numbers(letter string, a, b int) string {
	var all []string
	for n := a; n <= b; n++ {
		all = append(all, fmt.Sprint(letter, n))
	}
	return strings.Join(all, " ")
}

func TestDeliveryIsOneRequest(t *testing.T) {
	o := newOffice(t)
	l := o.log("h1", 1)
	o.want("complaint", o.change(l, false), "")
	o.want("bot", o.bot.said(), "m1")
	o.want("file", o.written("h1"), "1")
	o.want("outbox", o.outbox(), "")
	if o.reads.Load() != 0 || o.commits.Load() != 1 {
		t.Errorf("%d reads and %d commits", o.reads.Load(), o.commits.Load())
	}
}

func TestWhatIsForWhom(t *testing.T) {
	o := newOffice(t)
	l := o.log("h1", 1)
	d := o.commit(l, false)
	o.want("a change", o.outbox(), "h1/file/1 tcpircbot/1")
	o.want("complaint", text(l.Deliver(t.Context(), d, nil)), "")
	d = o.commit(l, true)
	o.want("a quiet one", o.outbox(), "h1/file/2")
	o.want("complaint", text(l.Deliver(t.Context(), d, nil)), "")
	o.want("bot", o.bot.said(), "m1")
	for _, r := range []Record{{Event: Event{ID: "3", Outcome: Failure}, Change: ChangeRecord{Run: "3"}}, {Event: Event{ID: "4"}, Change: ChangeRecord{Run: "4"}}} {
		message := map[bool]string{true: "x"}[r.Refused()]
		if writes, err := l.Writes(r, message, false); err != nil || len(writes) != 1 || writes[0].Key != l.Key(r.Event.ID) {
			t.Errorf("%v, %v", writes, err)
		}
	}
}

// TestOlderGoFirst: messages that other processes left behind are sent first,
// oldest first, except those of other hosts.
func TestOlderGoFirst(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 3)
	o.leave("h2", 2)
	o.sleep(claimTime + time.Second)
	o.want("complaint", o.change(o.log("h1", 1), false), "")
	o.want("bot", o.bot.said(), "m1 m2 m3 m4 m5 m6")
	o.want("file", o.written("h1"), "1 2 3 6")
	o.want("file of the other", o.written("h2"), "")
	o.want("outbox", o.outbox(), "h2/file/4 h2/file/5")
	if got := lines(t, o.file("h1"))[1]; got.Change.Selector != "name=2" || got.Message != "m2" {
		t.Errorf("%+v", got)
	}
	if o.reads.Load() != 1 || o.commits.Load() != 2 {
		t.Errorf("%d reads and %d commits, want one of the records, and a claim and a removal", o.reads.Load(), o.commits.Load())
	}
}

func TestHeldIsLeftAlone(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 1)
	o.sleep(claimTime - time.Second)
	o.want("complaint", o.change(o.log("h2", 1), false), "")
	o.want("bot", o.bot.said(), "m2")
	o.sleep(time.Second)
	o.want("complaint", o.change(o.log("h2", 1), false), "")
	o.want("bot", o.bot.said(), "m1 m3")
}

// TestOwnAreFree: a process that makes several changes may send the messages that
// it left behind itself.
func TestOwnAreFree(t *testing.T) {
	o := newOffice(t)
	l := o.log("h1", 1)
	l.Self = ThisProcess("h1") // a process that is alive
	o.commit(l, false)
	o.want("complaint", o.change(l, false), "")
	o.want("bot", o.bot.said(), "m1 m2")
}

// TestClockFarOff: a claim that ends too far in the future is ignored.
func TestClockFarOff(t *testing.T) {
	o := newOffice(t)
	o.sleep(time.Hour)
	o.leave("h1", 1)
	o.sleep(-time.Hour)
	o.want("complaint", o.change(o.log("h2", 1), false), "")
	o.want("bot", o.bot.said(), "m1 m2")
}

// TestDeadHolder: other processes on the same host know that a process was
// killed, even if its parent has not waited for it.
func TestDeadHolder(t *testing.T) {
	if words := childWords(); len(words) > 0 {
		o := &office{T: t, dir: words[0]}
		o.store, o.bot = openStore(t, filepath.Join(o.dir, "state.db")), &channel{address: words[1]}
		l := o.log("h1", 0)
		l.Self = ThisProcess("h1")
		o.commit(l, false)
		fmt.Println("committed")
		time.Sleep(time.Minute)
	}
	o := newOffice(t)
	cmd := child(t, "TestDeadHolder", o.dir, o.bot.address)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	o.made = 1
	l := o.log("h1", 0)
	l.Self = ThisProcess("h1")
	if l.Self.Start == "" {
		t.Skip("the system does not say who is alive")
	}
	stranger := o.log("h1", 0)
	o.want("complaint", o.change(l, false), "")
	o.want("while it lives", o.bot.said(), "m2")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	soon(t, func() bool { state, _, _ := status(cmd.Process.Pid); return state == "Z" })
	o.want("complaint", o.change(stranger, false), "")
	o.want("to one who cannot know", o.bot.said(), "m3")
	o.want("complaint", o.change(l, false), "")
	o.want("dead", o.bot.said(), "m1 m4")
	_ = cmd.Wait()
}

func TestDead(t *testing.T) {
	me := ThisProcess("h")
	if me.Start == "" {
		t.Skip("the system does not say who is alive")
	}
	cmd := child(t, "TestIDsSortByTime")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Holder)
		dead   bool
	}{
		"this one":                   {func(*Holder) {}, false},
		"its number came again":      {func(h *Holder) { h.Start += "0" }, true},
		"ended":                      {func(h *Holder) { h.PID = cmd.Process.Pid }, true},
		"of another namespace":       {func(h *Holder) { h.PID, h.Namespace = cmd.Process.Pid, "pid:[1]" }, false},
		"of another host":            {func(h *Holder) { h.PID, h.Boot = cmd.Process.Pid, "x" }, false},
		"of a system without /proc":  {func(h *Holder) { *h = Holder{Host: "h", PID: cmd.Process.Pid} }, false},
		"of root, whatever it shows": {func(h *Holder) { h.PID, _, h.Start = 1, 0, startOf(t, 1) }, false},
	} {
		h := me
		c.change(&h)
		if h.dead(me) != c.dead {
			t.Errorf("%s: dead is %v", name, !c.dead)
		}
	}
}

func startOf(t *testing.T, pid int) string {
	t.Helper()
	_, start, ok := status(pid)
	if !ok {
		t.Fatalf("no process %d", pid)
	}
	return start
}

// TestSinkThatFailedRests: a failed sink is not used for a minute, and then gets
// all messages in order. Other sinks are not affected.
func TestSinkThatFailedRests(t *testing.T) {
	o := newOffice(t)
	o.bot.close()
	away := "not announced: tcpircbot " + o.bot.address + ": connection refused; the change is made and in the journal as "
	o.want("complaint", o.change(o.log("h1", 1), false), away+"1")
	o.bot = newChannel(t, o.bot.address)
	o.sleep(restTime / 2)
	for n := 2; n <= 3; n++ {
		got := o.change(o.log("h1", n), false)
		if !strings.HasPrefix(got, "not announced: tcpircbot failed at ") || !strings.HasSuffix(got, " UTC ("+o.bot.address+
			": connection refused) and is left alone for a minute; the change is made and in the journal as "+fmt.Sprint(n)) {
			t.Error(got)
		}
	}
	o.want("what somebody quiet is told of it", o.change(o.log("h1", 4), true), "")
	o.want("bot", o.bot.said(), "")
	o.want("file", o.written("h1"), "1 2 3 4")
	o.sleep(restTime)
	o.want("complaint", o.change(o.log("h1", 5), true), "")
	o.want("bot, by somebody quiet", o.bot.said(), "m1 m2 m3")
	o.want("complaint", o.change(o.log("h2", 6), false), "")
	o.want("bot", o.bot.said(), "m6")
	o.want("outbox", o.outbox(), "")
}

// TestOlderMessageFails: newer messages wait behind one that fails.
func TestOlderMessageFails(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 3)
	o.sleep(2 * claimTime)
	o.bot.close()
	got := o.change(o.log("h2", 1), false)
	o.want("complaint", got, "not announced: tcpircbot "+o.bot.address+": connection refused; the change is made and in the journal as 4")
	o.sleep(2 * restTime)
	o.want("a quiet one's", o.change(o.log("h2", 2), true), "earlier changes are not announced: tcpircbot "+o.bot.address+": connection refused")
	o.bot = newChannel(t, o.bot.address)
	o.sleep(2 * restTime)
	o.want("complaint", o.change(o.log("h3", 3), false), "")
	o.want("bot", o.bot.said(), "m1 m2 m3 m4 m6")
}

// TestManyOlder: one batch is sent at a time, and newer messages wait, so that
// the order is kept.
func TestManyOlder(t *testing.T) {
	const older = 2*maxOlder + 10
	o := newOffice(t)
	o.leave("h1", older)
	o.sleep(2 * claimTime)
	l := o.log("h2", 0)
	waiting, _ := l.messages(o.seen(l))
	if b := l.backlog(l.Sinks[0], waiting, o.now(), nil); len(b.timely) != maxOlder || b.remaining != older-maxOlder || len(b.late) > 0 {
		t.Errorf("%d at a time, %d beyond", len(b.timely), b.remaining)
	}
	var said []string
	for n, got := 0, "?"; got != ""; n++ {
		got = o.change(o.log("h2", n), false)
		if (got == "" && n < 2) || (got != "" && !strings.HasPrefix(got, "not announced: older messages to tcpircbot go first; ")) {
			t.Fatalf("complaint %d: %q", n, got)
		}
		o.sleep(2 * claimTime)
		said = append(said, o.bot.said())
	}
	o.want("bot", strings.Join(said, " "), numbers("m", 1, o.made))
	o.want("file", o.written("h2"), numbers("", older+1, o.made))
}

// TestRacers: several processes find the same messages, and each message is sent
// once.
func TestRacers(t *testing.T) {
	t.Run("local", func(t *testing.T) { race(newOffice(t)) })
	t.Run("etcd", func(t *testing.T) {
		o := newOffice(t)
		s, err := etcd.Open(etcd.Config{Endpoints: []string{etcdtest.Start(t).URL()}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close() //nolint:errcheck // a test's
		o.store = s
		race(o)
	})
}

func race(o *office) {
	const older, racers = 40, 8
	o.leave("h", older)
	o.sleep(2 * claimTime)
	start := make(chan struct{})
	var wait sync.WaitGroup
	seen := o.seen(o.log("h", 0))
	for n := range racers {
		l := o.log("h", n)
		own := o.commit(l, false)
		wait.Go(func() {
			<-start
			if n%2 == 0 {
				l.Deliver(o.Context(), own, seen) // may not send all on a slow machine
			} else if _, errs := l.Redeliver(o.Context()); errs != nil {
				o.Error(errs)
			}
		})
	}
	close(start)
	wait.Wait()
	o.sleep(2 * claimTime)
	if _, errs := o.log("h", 0).Redeliver(o.Context()); errs != nil {
		o.Error(errs)
	}
	for what, got := range map[string]string{"bot": strings.ReplaceAll(o.bot.said(), "m", ""), "file": o.written("h")} {
		times := map[string]int{}
		for id := range strings.FieldsSeq(got) {
			times[id]++
		}
		if len(times) != older+racers || slices.Max(slices.Collect(maps.Values(times))) != 1 {
			o.Errorf("%s: %v", what, times)
		}
	}
	o.want("outbox", o.outbox(), "")
}

// TestCrashRepeatsAndLosesNothing: if a process dies before it removes a sent
// message from the outbox, the message is sent again.
func TestCrashRepeatsAndLosesNothing(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 1)
	o.sleep(2 * claimTime)
	o.broken = func(txn store.Txn) error {
		if txn.Writes[0].Delete {
			return errors.New("killed")
		}
		return nil
	}
	o.want("complaint", o.change(o.log("h1", 1), false), "delivered, but still in the outbox, so it may be delivered again: killed")
	o.broken = nil
	o.sleep(2 * claimTime)
	o.want("complaint", o.change(o.log("h1", 2), false), "")
	o.want("bot", o.bot.said(), "m1 m2 m1 m2 m3")
	o.want("file", o.written("h1"), "1 2 1 2 3")
	o.want("outbox", o.outbox(), "")
}

// TestTakenOverMeanwhile: a process that is very slow between commit and delivery
// finds its message claimed by another, and neither sends it nor writes it back.
func TestTakenOverMeanwhile(t *testing.T) {
	o := newOffice(t)
	slow := o.log("h1", 1)
	own := o.commit(slow, false)
	o.sleep(2 * claimTime)
	o.want("complaint", o.change(o.log("h1", 2), false), "")
	o.want("complaint", text(slow.Deliver(t.Context(), own, nil)), "")
	o.want("bot", o.bot.said(), "m1 m2")
	o.want("file", o.written("h1"), "1 2")
	// The process is slow, but no other has claimed the message.
	own = o.commit(slow, false)
	o.sleep(2 * claimTime)
	o.want("complaint", text(slow.Deliver(t.Context(), own, nil)), "")
	o.want("bot", o.bot.said(), "m3")
	// The process is in time, but the sink fails after another process has
	// removed the message.
	own = o.commit(slow, false)
	o.bot.close()
	var taken []store.Write
	for _, e := range o.seen(slow) {
		taken = append(taken, store.Write{Key: e.Key, Delete: true})
	}
	if _, err := o.store.Commit(t.Context(), store.Txn{Writes: taken}); err != nil {
		t.Fatal(err)
	}
	if errs := slow.Deliver(t.Context(), own, nil); len(errs) != 1 {
		t.Error(errs)
	}
	o.want("outbox", o.outbox(), "")
}

// TestLateInOneLine: a channel gets old messages as one line, after the new
// message; a file gets each of them.
func TestLateInOneLine(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 2)
	o.sleep(lateTime)
	o.leave("h1", 1)
	o.sleep(claimTime + time.Second)
	o.want("complaint", o.change(o.log("h1", 1), false), "")
	said := o.bot.said()
	if !strings.HasPrefix(said, "m3 m4 !log confctl: 2 changes at ") || !strings.HasSuffix(said, " UTC are announced late: m1; m2 (see the journal)") {
		t.Errorf("%q", said)
	}
	o.want("file", o.written("h1"), "1 2 3 4")
	o.want("outbox", o.outbox(), "")
}

func TestLateLine(t *testing.T) {
	at := func(clock string, who string) message {
		when, err := time.Parse(time.DateTime, clock)
		if err != nil {
			t.Fatal(err)
		}
		r := announced("set/pooled=no")
		r.User.Name = who
		return message{entry: entry{Time: when, Message: Announcement(r, "name=cp1001")}}
	}
	now := time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC)
	many := slices.Repeat([]message{at("2026-01-01 03:40:00", strings.Repeat("é", 50))}, 30)
	for _, c := range []struct {
		late []message
		want string
	}{
		{[]message{at("2026-01-02 03:10:59", "alice")}, "!log confctl: a change at 03:10 UTC is announced late: alice set/pooled=no name=cp1001 (see the journal)"},
		{[]message{at("2026-01-02 03:40:00", "alice"), at("2026-01-02 03:10:00", "bob")},
			"!log confctl: 2 changes from 03:10 to 03:40 UTC are announced late: alice set/pooled=no name=cp1001; bob set/pooled=no name=cp1001 (see the journal)"},
		{[]message{at("2026-01-01 03:10:00", "alice"), {entry: entry{Time: now, Message: "other\nwords"}}},
			"!log confctl: 2 changes from 2026-01-01 03:10 to 2026-01-02 04:00 UTC are announced late: alice set/pooled=no name=cp1001; other words (see the journal)"},
	} {
		if got := lateLine(c.late, now); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	got := lateLine(many, now)
	if len(got) > maxAnnouncement || len(got) < maxAnnouncement-2 || !strings.HasPrefix(got, "!log confctl: 30 changes at 2026-01-01 03:40 UTC are") || !strings.HasSuffix(got, "… (see the journal)") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// TestSplitChangeIsDeliveredWhole: the process that made a change in parts, or
// another one, delivers one message with all records.
func TestSplitChangeIsDeliveredWhole(t *testing.T) {
	o := newOffice(t)
	o.made = 1
	l := o.log("h1", 1)
	own := o.commitPart(l, o.commitPart(l, Delivery{ID: "1"}))
	seen := o.seen(l) // includes its own message, as for the plan of the second part
	o.want("complaint", text(l.Deliver(t.Context(), own, seen)), "")
	o.made = 2
	o.commitPart(l, o.commitPart(l, o.commitPart(l, Delivery{ID: "2"})))
	o.sleep(2 * claimTime)
	o.want("complaint", o.change(o.log("h1", 2), false), "")
	o.want("bot", o.bot.said(), "m1 m2 m3")
	all := lines(t, o.file("h1"))
	for i, paths := range []string{"a/1/1 a/1/2", "a/2/1 a/2/2 a/2/3", "a/3/1"} {
		var got []string
		for _, object := range all[i].Change.Objects {
			got = append(got, object.Path)
		}
		o.want("objects", strings.Join(got, " "), paths)
	}
}

// TestWithoutItsRecord: a message without a record in the journal is delivered.
func TestWithoutItsRecord(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 1)
	if _, err := o.store.Commit(t.Context(), store.Txn{Writes: []store.Write{{Key: "/c/.confctl/journal/1", Delete: true}}}); err != nil {
		t.Fatal(err)
	}
	o.sleep(2 * claimTime)
	o.want("complaint", o.change(o.log("h1", 2), false), "")
	o.want("file", o.written("h1"), "1 2")
}

// TestSlowSink: Deliver does not wait for a sink that never returns, and the
// other sinks get their messages.
func TestSlowSink(t *testing.T) {
	t.Parallel() // it waits
	o := newOffice(t)
	l := o.log("h1", 1)
	over := make(chan struct{})
	defer close(over)
	l.Sinks = append(l.Sinks, stuck{over})
	got := o.change(l, false)
	if !strings.HasPrefix(got, "not delivered: stuck: no answer within ") || !strings.HasSuffix(got, "; the change is made and in the journal as 1") {
		t.Errorf("%q", got)
	}
	o.want("bot", o.bot.said(), "m1")
	o.want("outbox", o.outbox(), "stuck/1")
}

// stuck is a sink that ignores the context, as a file on an unreachable server
// does.
type stuck struct{ over <-chan struct{} }

func (stuck) Name() string { return "stuck" }
func (stuck) Kind() Kind   { return Central }
func (s stuck) Send(context.Context, Delivery) error {
	<-s.over
	return nil
}

// TestWhatWasAddedStays: a message that a further part of its change has
// rewritten stays in the outbox after the earlier text was sent.
func TestWhatWasAddedStays(t *testing.T) {
	o := newOffice(t)
	l := o.log("h1", 1)
	first := o.commit(l, false)
	o.commitPart(l, first)
	if errs := l.Deliver(t.Context(), first, nil); errs != nil {
		t.Error(errs)
	}
	o.want("outbox", o.outbox(), "h1/file/1 tcpircbot/1")
}
