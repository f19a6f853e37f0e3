package sal

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

// put writes entries to the outbox directly.
func (o *office) put(entries map[string]string) {
	o.Helper()
	for key, value := range entries {
		txn := store.Txn{Writes: []store.Write{{Key: "/c/.confctl/outbox/" + key, Value: []byte(value)}}}
		if _, err := o.store.Commit(o.Context(), txn); err != nil {
			o.Fatal(err)
		}
	}
}

// sized returns an entry with a message of the given size.
func sized(id string, bytes int) string {
	return fmt.Sprintf(`{"id": %q, "message": %q, "time": "2026-01-02T03:04:05Z", "parts": 1}`, id, strings.Repeat("x", bytes))
}

// rubbish returns invalid outbox entries: key, value, and what is wrong.
func rubbish() [][3]string {
	return [][3]string{
		{"x", "[]", "its key is not one of the outbox"},
		{"a/b/c/d", "{}", "its key is not one of the outbox"},
		{"%zz/file/b", "{}", "its key is not one of the outbox"},
		{"tcpircbot/list", "[]", "it is not a message in JSON"},
		{"tcpircbot/deep", strings.Repeat("[", 20_000), "it is not a message in JSON"},
		{"tcpircbot/time", `{"id": "time", "time": "yesterday"}`, "it is not a message in JSON"},
		{"tcpircbot/empty", "", "it is not a message in JSON"},
		{"tcpircbot/none", "{}", "its id is not the one in its key"},
		{"tcpircbot/other", `{"id": "1", "message": "m"}`, "its id is not the one in its key"},
		{"/nobody", `{"id": "nobody", "message": "m"}`, "its id is not the one in its key"},
		{"%68/file/spelled", `{"id": "spelled", "message": "m"}`, "its id is not the one in its key"},
		{"tcpircbot/large", sized("large", maxEntry), fmt.Sprintf("it has %d bytes, more than 65536", len(sized("large", maxEntry)))},
		{"tcpircbot/huge", sized("huge", store.MaxBytes-200), fmt.Sprintf("it has %d bytes, more than 65536", len(sized("huge", store.MaxBytes-200)))},
	}
}

func (o *office) putRubbish() {
	o.Helper()
	for _, one := range rubbish() {
		o.put(map[string]string{one[0]: one[1]})
	}
}

// asides returns the entries that are set aside, and whether each is still in the
// outbox.
func (o *office) asides() (names []string, reasons map[string]string, moved bool) {
	o.Helper()
	_, all, err := o.log("h1", 1).Waiting(o.Context())
	if err != nil {
		o.Fatal(err)
	}
	reasons, moved = map[string]string{}, true
	for _, a := range all {
		names, reasons[a.ID] = append(names, a.Name()), a.Reason
		moved = moved && !a.Time.IsZero()
	}
	slices.Sort(names)
	return names, reasons, moved
}

// TestLargeEntryHoldsUpNobody: the first change that sees an entry too large to
// claim sets it aside and reports it, and all other messages are delivered.
func TestLargeEntryHoldsUpNobody(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 1)
	for n := range 3 {
		id := fmt.Sprint("large", n)
		o.put(map[string]string{"tcpircbot/" + id: sized(id, store.MaxBytes-200)})
	}
	o.put(map[string]string{"h1/file/torn": `{"id": "torn`})
	o.leave("h1", 1)
	o.sleep(claimTime + 1)
	got := o.change(o.log("h1", 1), false)
	if !strings.HasPrefix(got, "the outbox entry torn for file of h1 cannot be delivered and is set aside: it is not a message in JSON; so are 3 more") {
		t.Errorf("complaint %q", got)
	}
	o.want("bot", o.bot.said(), "m1 m2 m3")
	o.want("file", o.written("h1"), "1 2 3")
	o.want("outbox", o.outbox(), "")
	o.want("complaint of the next change", o.change(o.log("h2", 1), false), "")
	names, reasons, moved := o.asides()
	if want := []string{"large0 for tcpircbot", "large1 for tcpircbot", "large2 for tcpircbot", "torn for file of h1"}; !slices.Equal(names, want) || !moved {
		t.Errorf("set aside: %q, %q", names, reasons)
	}
}

// TestManyLargeMessages: one transaction claims as many messages as fit into it.
func TestManyLargeMessages(t *testing.T) {
	o := newOffice(t)
	for n := range 60 {
		id := fmt.Sprintf("%02d", n)
		o.put(map[string]string{"h1/file/" + id: sized(id, maxEntry-200), "tcpircbot/" + id: sized(id, maxEntry-200)})
	}
	o.leave("h1", 1)
	o.sleep(claimTime + 1)
	l := o.log("h1", 1)
	waiting, _ := l.messages(o.seen(l))
	for _, s := range l.Sinks {
		b := l.backlog(s, waiting, o.now(), nil)
		for _, some := range [][]message{b.timely, b.late} {
			bytes := 0
			for _, m := range some {
				bytes += m.size
			}
			if bytes > maxBatchBytes {
				t.Errorf("%s: %d bytes at a time", s.Name(), bytes)
			}
		}
	}
	if got := o.change(l, false); strings.Contains(got, "too large") {
		t.Errorf("complaint %q", got)
	}
	o.sleep(claimTime + 1)
	if _, errs := l.Redeliver(t.Context()); errs != nil {
		t.Error(errs)
	}
	o.want("outbox", o.outbox(), "")
	o.want("file", o.written("h1"), numbered(60)+" 1 2")
}

// numbered returns the ids of TestManyLargeMessages.
func numbered(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%02d", i)
	}
	return strings.Join(ids, " ")
}

// TestRubbishIsSetAsideOnce: a service or Redeliver sets each invalid entry aside
// once, with its reason.
func TestRubbishIsSetAsideOnce(t *testing.T) {
	for name, deliver := range map[string]func(l *Log) error{
		"log deliver": func(l *Log) error { _, errs := l.Redeliver(t.Context()); return errors.Join(errs...) },
		"a service":   func(l *Log) error { _, _, err := l.deliverOnce(t.Context()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.putRubbish()
			o.leave("h1", 1)
			o.sleep(claimTime + 1)
			l := o.log("h1", 1)
			var aside *AsideError
			if err := deliver(l); !errors.As(err, &aside) || len(aside.Entries) != len(rubbish()) {
				t.Errorf("the first time: %v", err)
			}
			o.want("bot", o.bot.said(), "m1")
			o.want("outbox", o.outbox(), "")
			if err := deliver(l); err != nil {
				t.Errorf("the second time: %v", err)
			}
			_, reasons, moved := o.asides()
			for _, one := range rubbish() {
				if got := reasons[dropID("/c/.confctl/outbox/"+one[0])]; got != one[2] || !moved {
					t.Errorf("%s: %q, want %q", one[0], got, one[2])
				}
			}
		})
	}
}

// TestSettingAsideFails: a process that may not set entries aside still delivers
// messages.
func TestSettingAsideFails(t *testing.T) {
	o := newOffice(t)
	o.put(map[string]string{"tcpircbot/torn": "{"})
	o.leave("h1", 1)
	o.sleep(claimTime + 1)
	o.broken = func(txn store.Txn) error {
		if slices.ContainsFunc(txn.Writes, func(w store.Write) bool { return strings.Contains(w.Key, "/aside/") }) {
			return &store.DeniedError{Err: errors.New("no")}
		}
		return nil
	}
	for n := range 2 {
		l := o.log("h1", n)
		if got := o.change(l, false); !strings.HasPrefix(got, "setting aside what cannot be delivered: denied") {
			t.Errorf("complaint %q", got)
		}
	}
	o.want("bot", o.bot.said(), "m1 m2 m3")
	if _, errs := o.log("h1", 3).Redeliver(t.Context()); len(errs) != 1 {
		t.Error(errs)
	}
	if _, _, err := o.log("h1", 3).deliverOnce(t.Context()); err == nil {
		t.Error("nothing was said")
	}
	if names, _, moved := o.asides(); !slices.Equal(names, []string{"torn for tcpircbot"}) || moved {
		t.Errorf("set aside: %q", names)
	}
}

// TestDrop: Drop removes entries that are set aside, and no deliverable messages.
func TestDrop(t *testing.T) {
	o := newOffice(t)
	o.putRubbish()
	o.put(map[string]string{"tcpircbot/torn": "{", "h1/file/torn": "{", "tcpircbot/$(x)": "{"})
	o.leave("h1", 1)
	l := o.log("h1", 1)
	drop := func(id string, want int) {
		t.Helper()
		if dropped, err := l.Drop(t.Context(), id); err != nil || len(dropped) != want {
			t.Errorf("%s: %v, %v", id, dropped, err)
		}
	}
	drop("torn", 2) // still in the outbox
	o.put(map[string]string{"tcpircbot/torn": "{", "h1/file/torn": "{"})
	o.sleep(claimTime + 1)
	if _, errs := l.Redeliver(t.Context()); len(errs) != 1 {
		t.Error(errs)
	}
	drop("torn", 2)
	drop(keyHash("/c/.confctl/outbox/tcpircbot/$(x)"), 1)
	if _, err := o.store.Commit(t.Context(), store.Txn{Writes: []store.Write{{Key: "/c/.confctl/aside/0123", Value: []byte("{")}}}); err != nil {
		t.Fatal(err)
	}
	drop("0123", 1)
	o.leave("h2", 1)
	for id, waits := range map[string]bool{"torn": false, "2": true, "": false} {
		var not *NotAsideError
		if _, err := l.Drop(t.Context(), id); !errors.As(err, &not) || not.Waiting != waits {
			t.Errorf("%q: %v", id, err)
		}
	}
	o.want("outbox", o.outbox(), "h2/file/2 tcpircbot/2")
}

// TestUnreadTooLargeForAllSinks: a message is set aside if its copies for all
// sinks do not fit into one transaction.
func TestUnreadTooLargeForAllSinks(t *testing.T) {
	o := newOffice(t)
	o.put(map[string]string{"h1/sal/large": sized("large", maxEntry-200)})
	for n := range 30 {
		id := fmt.Sprint("small", n)
		o.put(map[string]string{"h1/sal/" + id: sized(id, 3000)})
	}
	l := o.log("h1", 1)
	for n := range 25 {
		l.Sinks = append(l.Sinks, File{Label: fmt.Sprint("f", n), Path: o.file(fmt.Sprint("f", n))})
	}
	var aside *AsideError
	if _, errs := l.Redeliver(t.Context()); len(errs) != 1 || !errors.As(errs[0], &aside) || aside.Entries[0].ID != "large" {
		t.Errorf("%v", errs)
	}
	o.want("outbox", o.outbox(), "")
	if got := len(lines(t, o.file("f24"))); got != 30 {
		t.Errorf("%d lines", got)
	}
}

// TestForgedParts: an entry cannot make a process read the whole journal.
func TestForgedParts(t *testing.T) {
	o := newOffice(t)
	for n := range 5 {
		id := fmt.Sprint("p", n)
		o.put(map[string]string{"h1/file/" + id: fmt.Sprintf(`{"id": %q, "message": "m", "parts": 2000000000}`, id)})
	}
	o.put(map[string]string{"h1/file/minus": `{"id": "minus", "message": "m", "parts": -1}`})
	l := o.log("h1", 1)
	waiting, _ := l.messages(o.seen(l))
	if b := l.backlog(l.Sinks[1], waiting, o.now(), nil); len(b.timely) != 1 || b.remaining != 5 {
		t.Errorf("%d at a time, %d beyond", len(b.timely), b.remaining)
	}
	if _, errs := l.Redeliver(t.Context()); errs != nil {
		t.Error(errs)
	}
	o.want("outbox", o.outbox(), "")
}

// FuzzEntry: any outbox entry is either a message that can be claimed, shown and
// sent, or can be set aside and dropped.
func FuzzEntry(f *testing.F) {
	for _, one := range rubbish() {
		if len(one[1]) < 1000 {
			f.Add("/c/.confctl/outbox/"+one[0], []byte(one[1]))
		}
	}
	f.Add("/c/.confctl/outbox/h%2F1/file/1", []byte(`{"id": "1", "message": "!log a@b conftool action : x; selector: y\n", "time": "0000-01-01T00:00:00Z", "parts": 7, "holder": {"host": "h", "pid": 1, "start": "2"}, "failed": "9999-12-31T23:59:59Z", "error": "\u001b["}`))
	f.Add("/c/.confctl/outbox/h1/sal/1", []byte(`{"id": "1", "message": "\u2028\ud800", "told": ["file"], "quiet": true}`))
	f.Add("/c/.confctl/outbox/%80%80/\x80/1", []byte("\xff"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		l := &Log{Prefix: "/c/.confctl/", Sinks: []Sink{Bot{}, File{}}, Self: Holder{Host: "h1", PID: 1}}
		e := store.Entry{Key: key, Value: value, Created: 1, Modified: 2}
		waiting, badEntries := l.messages([]store.Entry{e})
		if want := strings.HasPrefix(key, l.outbox()); (len(waiting)+len(badEntries) == 1) != want {
			t.Fatalf("%d messages, %d misfits", len(waiting), len(badEntries))
		}
		for _, m := range badEntries {
			if dropID(m.ID) != m.ID || m.Reason == "" || oneLine(m.Name()) != m.Name() {
				t.Errorf("%+v", m)
			}
		}
		for _, m := range waiting {
			fuzzMessage(t, l, m)
		}
	})
}

func fuzzMessage(t *testing.T, l *Log, m message) {
	w, err := m.write()
	if err != nil || !(step{m, []store.Write{w}}).fits() {
		t.Fatalf("%v, %d bytes", err, len(w.Value))
	}
	if again, wrong := l.parseMessage(store.Entry{Key: m.key, Value: w.Value, Created: 1, Modified: 2}); wrong == "" {
		if second, err := again.write(); err != nil || string(second.Value) != string(w.Value) {
			t.Errorf("%s, then %s, %v", w.Value, second.Value, err)
		}
	} else if len(w.Value) <= maxEntry {
		t.Errorf("%s: %s", w.Value, wrong)
	}
	if line := lateLine([]message{m}, l.now()); len(line) > maxAnnouncement || oneLine(line) != line {
		t.Errorf("%q", line)
	}
	d := Delivery{ID: m.ID, Message: m.Message, Time: m.Time}
	if doc, err := d.document(); err != nil || !json.Valid(doc) || strings.Count(string(doc), "\n") != 1 {
		t.Errorf("%s, %v", doc, err)
	}
	if line := string(syslogLine(d)); oneLine(line) != line {
		t.Errorf("%q", line)
	}
	l.free(m, l.now())
	for _, s := range l.Sinks {
		l.backlog(s, []message{m}, l.now(), []string{m.queue.host})
	}
}
