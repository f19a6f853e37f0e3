package sal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAnnouncement is how many bytes of a line the channel takes. The rest of a
// longer one would be said as a line of its own, without its !log.
const maxAnnouncement = 425

// Announcement is the line that tells people about a change. Control
// characters become spaces: a newline would end the line, and let a selector
// forge the next one. What is too long ends in an ellipsis; the journal has
// the whole.
func Announcement(who User, where Host, action, selector string) string {
	line := fmt.Sprintf("!log %s@%s conftool action : %s; selector: %s", who.Name, where.Name, action, selector)
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, line)
	return shorten(line, maxAnnouncement)
}

// shorten cuts a text to a number of bytes, between two characters.
func shorten(s string, most int) string {
	const ellipsis = "…"
	if len(s) <= most {
		return s
	}
	end := most - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
