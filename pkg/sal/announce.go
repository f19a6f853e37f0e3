package sal

import (
	"fmt"
	"strings"

	txt "github.com/conftool/confctl/internal/text" // tests have a function text
)

// maxAnnouncement is how many bytes of a line the channel takes. The rest of a
// longer one would be said as a line of its own, without its !log.
const maxAnnouncement = 425

// Announcement is the line that tells people about a change: who did what to
// what, and after that, if there was any, what was overridden, the reason and
// the task. The selector is the record's own, or what stands for it.
//
// Control characters become spaces: a newline would end the line, and let a
// selector forge the next one. Everything else that package text does not show is
// escaped, as are bytes that are not UTF-8. What is too long is cut, marked by an
// ellipsis, the selector first; the journal has the whole.
func Announcement(r Record, selector string) string {
	user, host := shorten(oneLine(r.User.Name), maxWord), shorten(oneLine(r.Host.Name), maxWord) // the action has to fit in
	front := oneLine(fmt.Sprintf("!log %s@%s conftool action : %s; selector: %s", user, host, r.Event.Action, selector))
	const atLeast = 200 // bytes for the ending, however long the rest is
	end := ending(r, max(atLeast, maxAnnouncement-len(front)))
	return shorten(front, maxAnnouncement-len(end)) + end
}

// ending is what an announcement has behind the selector, in at most so many
// bytes.
func ending(r Record, most int) string {
	ways, task, reason := oneLine(waysOut(r.Change)), oneLine(r.Change.Task), oneLine(r.Event.Reason)
	if task != "" {
		task = " (" + task + ")"
	}
	if reason != "" {
		const few = 20 // bytes of a reason that say something
		reason = " - " + shorten(reason, max(few, most-len(ways)-len(task)-len(" - ")))
	}
	return shorten(ways+reason+task, most)
}

// waysOut says how a change got past the safety rules.
func waysOut(c ChangeRecord) string {
	var ways []string
	if c.Gone {
		ways = append(ways, "gone")
	}
	if c.Emergency {
		ways = append(ways, "emergency")
	}
	if len(c.Overrides) > 0 {
		ways = append(ways, "overrides "+strings.Join(c.Overrides, ", "))
	}
	if c.Held > 0 {
		ways = append(ways, fmt.Sprintf("%d held back", c.Held))
	}
	if len(ways) == 0 {
		return ""
	}
	return " (" + strings.Join(ways, ", ") + ")"
}

// oneLine returns a text on one line, in which control characters are spaces.
func oneLine(s string) string { return txt.Spaced(s) }

// shorten cuts a text to a number of bytes, between two characters. It takes
// a few bytes at least.
func shorten(s string, most int) string { return txt.CutBytes(s, most) }
