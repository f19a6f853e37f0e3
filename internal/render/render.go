// Package render formats values for display: tables, diffs, findings, records of
// the journal. Its functions do not read the clock or a store; some write to a
// writer of the caller. Text from other sources is cleaned and cut, so that a
// line can be printed without further changes.
package render

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

const (
	// MaxLines is the number of lines of one kind that are shown. The rest is
	// counted.
	MaxLines = 20
	// MaxObjects is the number of objects that are shown one by one. More are
	// shown as a count for each type and tags.
	MaxObjects = 50
	// MaxWidth is the number of characters of a cell of a list. Longer text
	// would shift the other cells in all lines.
	MaxWidth = 80
)

// Colours, as parameters of the escape sequence SGR.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint returns a line in a colour if color is true and code is not empty. The
// line must be clean.
func paint(line, code string, color bool) string {
	if !color || code == "" {
		return line
	}
	return "\x1b[" + code + "m" + line + "\x1b[0m"
}

// Plain returns a text on one line: unchanged, or quoted if it contains
// characters that may not be shown.
func Plain(s string) string {
	switch {
	case text.IsLine(s):
		return s
	case !utf8.ValidString(s): // JSON cannot represent it
		return text.Line(strconv.Quote(s))
	}
	return value.OfString(s).Text()
}

// Short returns a text as a cell of a list, cut to MaxWidth.
func Short(s string) string { return text.Cut(Plain(s), MaxWidth) }

// Cell returns a value as a cell of a table: text as Plain returns it, other
// values as JSON.
func Cell(v value.Value) string {
	if s, isText := v.Str(); isText {
		return Plain(s)
	}
	return v.Text()
}

// Age returns a duration in one unit: seconds, minutes, hours or days.
func Age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Ago returns how long before now a time was. The time may be in the future,
// because the clock of another host may be wrong.
func Ago(t, now time.Time) string {
	if t.After(now.Add(sal.Skew)) {
		return t.Local().Format(time.RFC3339) + ", which is in the future,"
	}
	return Age(now.Sub(t)) + " ago"
}

// Columns returns rows of cells as lines with aligned columns.
func Columns(rows [][]string) []string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() //nolint:errcheck // it writes to memory
	lines := text.Lines(b.String())
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}

// paintEach paints each line in its colour. Lines must be aligned before, because
// escape sequences would count as width.
func paintEach(lines, codes []string, color bool) []string {
	for i := range lines {
		lines[i] = paint(lines[i], codes[i], color)
	}
	return lines
}

// more returns the line that counts what is not shown.
func more(n int) string { return fmt.Sprintf("and %d more like these", n) }

// Limit returns at most MaxLines lines, followed by the number of the others.
func Limit(lines []string) []string {
	if n := len(lines) - MaxLines; n > 0 {
		return append(lines[:MaxLines:MaxLines], more(n))
	}
	return lines
}
