package sal

import (
	"fmt"
	"strings"
	"unicode"
)

// Announcement is the line that tells people about a change. Control
// characters become spaces: a newline would end the line, and let a selector
// forge the next one.
func Announcement(who User, where Host, action, selector string) string {
	line := fmt.Sprintf("!log %s@%s conftool action : %s; selector: %s", who.Name, where.Name, action, selector)
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, line)
}
