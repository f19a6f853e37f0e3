package sal

import (
	"fmt"
	"strings"

	txt "github.com/conftool/confctl/internal/text" // tests have a function text
)

// maxAnnouncement is the largest number of bytes of a line on the channel. The
// bot would send the rest of a longer line as a second message, without !log.
const maxAnnouncement = 425

// Announcement returns the line that announces a change: user, host, action and
// selector, followed by the overrides, the reason and the task, if there are any.
// The selector is the record's own or a summary that replaces it.
//
// Control characters become spaces, so that a selector with a newline cannot
// forge another announcement. Characters that package text hides and bytes that
// are not UTF-8 are escaped. A long announcement is cut and marked with an
// ellipsis, the selector first; the journal has the full text.
func Announcement(r Record, selector string) string {
	user, host := shorten(oneLine(r.User.Name), maxWord), shorten(oneLine(r.Host.Name), maxWord) // leaves room for the action
	front := oneLine(fmt.Sprintf("!log %s@%s conftool action : %s; selector: %s", user, host, r.Event.Action, selector))
	const minEnding = 200 // bytes reserved for the ending
	end := ending(r, max(minEnding, maxAnnouncement-len(front)))
	return shorten(front, maxAnnouncement-len(end)) + end
}

// ending returns the part of an announcement after the selector, in at most limit
// bytes.
func ending(r Record, limit int) string {
	names, task, reason := oneLine(bypasses(r.Change)), oneLine(r.Change.Task), oneLine(r.Event.Reason)
	if task != "" {
		task = " (" + task + ")"
	}
	if reason != "" {
		const minReason = 20 // bytes of a reason that are always kept
		reason = " - " + shorten(reason, max(minReason, limit-len(names)-len(task)-len(" - ")))
	}
	return shorten(names+reason+task, limit)
}

// bypasses describes how a change passed the safety rules.
func bypasses(c ChangeRecord) string {
	var names []string
	if c.Gone {
		names = append(names, "gone")
	}
	if c.Emergency {
		names = append(names, "emergency")
	}
	if len(c.Overrides) > 0 {
		names = append(names, "overrides "+strings.Join(c.Overrides, ", "))
	}
	if c.Held > 0 {
		names = append(names, fmt.Sprintf("%d held back", c.Held))
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// oneLine replaces the control characters of a text by spaces.
func oneLine(s string) string { return txt.Spaced(s) }

// shorten cuts a text to limit bytes, between two characters. The limit must be
// at least a few bytes.
func shorten(s string, limit int) string { return txt.CutBytes(s, limit) }
