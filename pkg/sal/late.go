package sal

import (
	"fmt"
	"strings"
	"time"
)

// lateLine returns one line that announces messages that a channel did not
// receive in time. There must be at least one.
func lateLine(late []message, now time.Time) string {
	first, last := late[0].Time, late[0].Time
	words := make([]string, len(late))
	for i, m := range late {
		if m.Time.Before(first) {
			first = m.Time
		}
		if m.Time.After(last) {
			last = m.Time
		}
		words[i] = abridged(m.Message)
	}
	layout := "15:04"
	if now.Sub(first) > 12*time.Hour {
		layout = "2006-01-02 15:04"
	}
	from, to := first.UTC().Format(layout), last.UTC().Format(layout)
	front := fmt.Sprintf("!log confctl: %d changes from %s to %s UTC are announced late: ", len(late), from, to)
	switch {
	case len(late) == 1:
		front = fmt.Sprintf("!log confctl: a change at %s UTC is announced late: ", from)
	case from == to:
		front = fmt.Sprintf("!log confctl: %d changes at %s UTC are announced late: ", len(late), from)
	}
	const end = " (see the journal)"
	return front + shorten(oneLine(strings.Join(words, "; ")), maxAnnouncement-len(front)-len(end)) + end
}

// abridged returns an announcement without the parts that are the same in all.
func abridged(message string) string {
	who, what, ok := strings.Cut(strings.TrimPrefix(message, "!log "), " conftool action : ")
	if !ok {
		return message
	}
	name, _, _ := strings.Cut(who, "@")
	return name + " " + strings.Replace(what, "; selector: ", " ", 1)
}
