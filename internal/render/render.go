// Package render makes the text that the program shows of a value: tables, diffs,
// findings, records of the journal. It is pure: it reads no store, writes to no
// stream, and is given the time. Texts of others in a line are cleaned and bounded, so
// that a line can be printed as it is.
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
	// MaxLines is how many lines of one kind are shown. More are counted.
	MaxLines = 20
	// MaxObjects is how many objects are shown one by one. More are counted, a line
	// for each type and tags.
	MaxObjects = 50
	// MaxWidth is how many characters a cell of a list has: a longer text would move
	// the cells beside it in all lines.
	MaxWidth = 80
)

// The colours that are used, as parameters of the escape sequence SGR.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint returns a clean line in a colour, if there are to be any.
func paint(line, code string, color bool) string {
	if !color || code == "" {
		return line
	}
	return "\x1b[" + code + "m" + line + "\x1b[0m"
}

// Plain returns a text of others on one line: as it is, or in quotes if it has
// characters that may not be shown.
func Plain(s string) string {
	switch {
	case text.IsLine(s):
		return s
	case !utf8.ValidString(s): // for which there is no JSON
		return text.Line(strconv.Quote(s))
	}
	return value.OfString(s).Text()
}

// Short returns a text as a cell of a list.
func Short(s string) string { return text.Cut(Plain(s), MaxWidth) }

// Cell returns a value as a cell of a table: text as Plain does, everything else as
// JSON.
func Cell(v value.Value) string {
	if s, isText := v.Str(); isText {
		return Plain(s)
	}
	return v.Text()
}

// Age returns a duration in one unit.
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

// Ago says how long before now a time was. It is of another host's clock, which may
// be wrong.
func Ago(t, now time.Time) string {
	if t.After(now.Add(sal.Skew)) {
		return t.Local().Format(time.RFC3339) + ", which is in the future,"
	}
	return Age(now.Sub(t)) + " ago"
}

// Columns returns rows of cells as aligned lines.
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

// paintEach paints each line in its colour. The lines are aligned already: the escape
// sequences would count as width.
func paintEach(lines, codes []string, color bool) []string {
	for i := range lines {
		lines[i] = paint(lines[i], codes[i], color)
	}
	return lines
}

// more returns the line that counts what is not shown.
func more(n int) string { return fmt.Sprintf("and %d more like these", n) }

// Limit returns the first lines, at most MaxLines, and then how many more there are.
func Limit(lines []string) []string {
	if n := len(lines) - MaxLines; n > 0 {
		return append(lines[:MaxLines:MaxLines], more(n))
	}
	return lines
}
