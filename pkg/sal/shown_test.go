package sal

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	txt "github.com/conftool/confctl/internal/text"
)

// TestHiddenTextIsNotAnnounced: sinks get no characters that act on a terminal,
// change the order of text or cannot be seen.
func TestHiddenTextIsNotAnnounced(t *testing.T) {
	const hidden = "a\x1b[2J\n\u009b\u202eb\u200b\u2066\u2028\U000e0041\xff"
	r := announced("set/val=" + hidden)
	r.Time, r.Event.Reason, r.Change.Task, r.Change.Overrides = time.Unix(0, 0), hidden, hidden, []string{hidden}
	said := Announcement(r, "name="+hidden)
	const shown = `a [2J  \u202eb\u200b\u2066 \U000e0041\xff`
	if want := "!log alice@deploy1001 conftool action : set/val=" + shown + "; selector: name=" + shown + " (overrides " + shown + ") - " + shown + " (" + shown + ")"; said != want {
		t.Errorf("got  %q\nwant %q", said, want)
	}
	late := lateLine([]message{{entry: entry{Message: hidden}}}, time.Unix(0, 0))
	d := Delivery{ID: "id" + hidden, Message: hidden, Records: []Record{r}}
	doc, err := d.document()
	if err != nil {
		t.Fatal(err)
	}
	bare, err := Delivery{ID: hidden, Message: hidden}.document()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"announcement": said, "late": late, "syslog": string(syslogLine(d)),
		"document": strings.TrimSuffix(string(doc), "\n"), "document without a record": strings.TrimSuffix(string(bare), "\n"),
	} {
		if !txt.IsLine(got) {
			t.Errorf("%s: %q", name, got)
		}
	}
	var back struct{ Message string }
	if err := json.Unmarshal(doc, &back); err != nil || back.Message != strings.ToValidUTF8(hidden, "\ufffd") {
		t.Errorf("%q, %v", back.Message, err)
	}
}

// TestAnnouncementOfOrdinaryText: other scripts and emoji are announced
// unchanged.
func TestAnnouncementOfOrdinaryText(t *testing.T) {
	r := announced("set/val=Grüße 日本語 👩‍💻 ❤️")
	if got, want := Announcement(r, "name=x"), "!log alice@deploy1001 conftool action : set/val=Grüße 日本語 👩‍💻 ❤️; selector: name=x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
