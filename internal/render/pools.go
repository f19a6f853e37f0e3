package render

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/value"
)

// Pools returns a line for each pool. The wide format has all columns and names
// all objects that are out.
func Pools(pools []safety.Capacity, by RemovedBy, now time.Time, wide, color bool) []string {
	rows, maxOut := [][]string{{"POOL", "SERVING", "FLOOR", "MAY GO", "OUT"}}, 3
	if wide {
		rows, maxOut = [][]string{{"TYPE", "POOL", "SERVING", "FLOOR", "AT MOST", "MAY GO", "MODE", "OUT"}}, 1000
	}
	colors := []string{bold}
	for _, c := range pools {
		row := []string{PoolName(c), fmt.Sprintf("%d of %d", c.Before, c.Members), strconv.Itoa(c.Floor), mayGo(c), by.list(c.Out, maxOut, now)}
		if wide {
			row = slices.Concat([]string{Plain(c.Type.Name), Plain(c.Label)}, row[1:3], []string{ceiling(c), row[3], modeText(c.Mode), row[4]})
		}
		rows, colors = append(rows, row), append(colors, poolColor(c))
	}
	return paintEach(Columns(rows), colors, color)
}

// mayGo describes how many more members may be depooled, or by how many a pool is
// below its floor or above max-pooled.
func mayGo(c safety.Capacity) string {
	switch {
	case c.Slack() < 0:
		return fmt.Sprintf("%d below", -c.Slack())
	case c.Excess() > 0:
		return fmt.Sprintf("%d too many", c.Excess())
	}
	return strconv.Itoa(c.Slack())
}

// ceiling returns how many members may serve, or a dash if there is no limit.
func ceiling(c safety.Capacity) string {
	if c.Ceiling == 0 {
		return "-"
	}
	return strconv.Itoa(c.Ceiling)
}

// modeText returns the name of a mode in a declared rule.
func modeText(m safety.Mode) string { return []string{"none", "warn", "refuse"}[m] }

// poolColor returns red for a pool below its floor or above max-pooled, and
// yellow for one from which no more members may be depooled.
func poolColor(c safety.Capacity) string {
	switch {
	case c.Violated():
		return red
	case c.Slack() == 0 && c.Floor > 0:
		return yellow
	}
	return ""
}

// WritePools writes pools as one JSON list with one pool on each line.
func WritePools(w *bufio.Writer, pools []safety.Capacity, by RemovedBy) {
	writeList(w, pools, func(c safety.Capacity) value.Value { return poolDocument(c, by) })
}

func poolDocument(c safety.Capacity, by RemovedBy) value.Value {
	out := make([]value.Value, len(c.Out))
	for i, o := range c.Out {
		out[i] = by.document(o)
	}
	fields := []value.Field{
		textField("type", c.Type.Name), textField("pool", c.Label),
		numberField("serving", c.Before), numberField("members", c.Members),
		numberField("floor", c.Floor), numberField("slack", c.Slack()),
	}
	if c.Ceiling > 0 {
		fields = append(fields, numberField("at_most", c.Ceiling), numberField("excess", c.Excess()))
	}
	return value.OfMap(append(fields, textField("mode", modeText(c.Mode)), value.Field{Name: "out", Value: value.OfList(out...)})...)
}
