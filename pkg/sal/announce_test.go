package sal

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// announced returns a record with the parts that an announcement contains.
func announced(action string) Record {
	return Record{Event: Event{Action: action}, User: User{Name: "alice"}, Host: Host{Name: "deploy1001"}}
}

func TestAnnouncement(t *testing.T) {
	got := Announcement(announced("set/val=a\nb"), "name=\x01x\u2028y\u0085z é")
	if want := "!log alice@deploy1001 conftool action : set/val=a b; selector: name= x y z é"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnnouncementSaysHowAndWhy(t *testing.T) {
	for _, c := range []struct {
		gone, emergency bool
		overrides       string
		reason, task    string
		want            string
	}{
		{false, false, "", "", "", ""},
		{false, false, "min-pooled mass-change", "", "", " (overrides min-pooled, mass-change)"},
		{true, false, "", "", "", " (gone)"},
		{true, false, "min-pooled", "", "", " (gone, overrides min-pooled)"},
		{false, true, "min-pooled", "", "", " (emergency, overrides min-pooled)"},
		{false, false, "", "broken\ndisk", "T123", " - broken disk (T123)"},
		{false, false, "", "broken disk", "", " - broken disk"},
		{false, false, "", "", "T123", " (T123)"},
		{true, false, "min-pooled", "broken disk", "T123", " (gone, overrides min-pooled) - broken disk (T123)"},
	} {
		r := announced("set/pooled=no")
		r.Event.Reason, r.Change.Task = c.reason, c.task
		r.Change.Gone, r.Change.Emergency, r.Change.Overrides = c.gone, c.emergency, strings.Fields(c.overrides)
		if got, want := Announcement(r, "name=x"), "!log alice@deploy1001 conftool action : set/pooled=no; selector: name=x"+c.want; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		long := Announcement(r, strings.Repeat("x", 1000))
		if len(long) != maxAnnouncement || !strings.HasSuffix(long, "x…"+c.want) {
			t.Errorf("%d bytes: %q, want the selector cut and all of %q", len(long), long, c.want)
		}
	}
}

func TestAnnouncementIsCut(t *testing.T) {
	for n := range 4 { // the cut may fall anywhere in a two-byte character
		got := Announcement(announced("set/val="+strings.Repeat("x", n)+strings.Repeat("é", 1000)), "s")
		if len(got) > 425 || len(got) < 420 || !utf8.ValidString(got) || !strings.HasSuffix(got, "é…") {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	}
	r := announced("set/pooled=no")
	r.Event.Reason, r.Change.Task, r.Change.Gone = strings.Repeat("why ", 200), "T123", true
	got := Announcement(r, strings.Repeat("x", 1000))
	if !strings.HasPrefix(got, "!log alice@deploy1001 conftool action : set/pooled=no; selector: xxx") ||
		!strings.Contains(got, "x… (gone) - why why") || !strings.HasSuffix(got, "… (T123)") {
		t.Errorf("%q", got)
	}
}

// FuzzAnnouncement checks that any record makes one line that fits the channel.
func FuzzAnnouncement(f *testing.F) {
	f.Add("alice", "h", "set/a=b", "name=x", "reason", "T1", "min-pooled", true)
	f.Add("a\nb", "\xff", strings.Repeat("é", 300), strings.Repeat("…", 200), strings.Repeat("\U0001f600", 99), strings.Repeat("T", 500), strings.Repeat("r", 300), false)
	f.Add("", "", "", strings.Repeat("\x80", 500), strings.Repeat("\u2028", 500), "\r", "", true)
	f.Fuzz(func(t *testing.T, who, where, action, selector, reason, task, rule string, gone bool) {
		r := Record{
			Event:  Event{Action: action, Reason: reason},
			User:   User{Name: who},
			Host:   Host{Name: where},
			Change: ChangeRecord{Task: task, Gone: gone, Overrides: []string{rule}},
		}
		got := Announcement(r, selector)
		if len(got) > maxAnnouncement || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || !strings.HasPrefix(got, "!log ") {
			t.Errorf("%d bytes: %q", len(got), got)
		}
		if again := shorten(oneLine(got), maxAnnouncement); again != got {
			t.Errorf("%q becomes %q on its way", got, again)
		}
	})
}

// TestAnnouncementOfALongName: a long user or host name does not displace the
// action.
func TestAnnouncementOfALongName(t *testing.T) {
	r := announced("set/pooled=no")
	r.User.Name, r.Host.Name = strings.Repeat("\n", 500), strings.Repeat("é", 500)
	r.Event.Reason = strings.Repeat("why ", 200)
	if got := Announcement(r, "name=x"); len(got) > maxAnnouncement || !strings.Contains(got, " conftool action : set/pooled=no; selector: name=x - why") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
