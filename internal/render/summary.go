package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/safety"
)

// Summary describes a proposal in one line: the number of changed objects, and
// the pool that can spare the fewest members.
func Summary(p change.Proposal) string {
	n := map[string]int{}
	for _, c := range p.Plan.Changes {
		n[sign(c)]++
	}
	var parts []string
	for _, s := range [][2]string{{"+", "created"}, {"-", "removed"}} {
		if n[s[0]] > 0 {
			parts = append(parts, fmt.Sprintf("%s would be %s", text.Count(n[s[0]], "object"), s[1]))
		}
	}
	switch matched := len(p.Plan.Matched); {
	case len(p.Plan.Changes) == 0 && len(p.Held) > 0:
		return "nothing would change"
	case matched > len(p.Plan.Changes) && parts == nil:
		parts = []string{fmt.Sprintf("%d of %s would change", n["~"], text.Count(matched, "object"))}
	case n["~"] > 0:
		parts = append(parts, text.Count(n["~"], "object")+" would change")
	}
	line := strings.Join(parts, ", ")
	if after := CapacityAfter(p.Verdict.Capacity); after != "" {
		line += "; then " + after
	}
	return line
}

// CapacityAfter describes the pool that can spare the fewest members after a
// change; empty if no rule applies to the pools.
func CapacityAfter(pools []safety.Capacity) string {
	judged := slices.DeleteFunc(slices.Clone(pools), func(c safety.Capacity) bool { return c.Mode == safety.None && c.Excess() == 0 })
	if len(judged) == 0 {
		return ""
	}
	tightest := slices.MinFunc(judged, safety.Capacity.Compare)
	line := fmt.Sprintf("%s %d of %d, %s", PoolName(tightest), tightest.After, tightest.Left, slack(tightest))
	if len(judged) > 1 {
		line = fmt.Sprintf("tightest of %d pools: %s", len(judged), line)
	}
	return line
}

// slack describes how many more members may be depooled, or by how many a pool is
// below its floor or above max-pooled.
func slack(c safety.Capacity) string {
	floor := fmt.Sprintf("floor %d, ", c.Next)
	switch n := c.Slack(); {
	case n < 0:
		return floor + fmt.Sprintf("%d below its floor", -n)
	case c.Excess() > 0:
		return fmt.Sprintf("at most %d, %d too many", c.Ceiling, c.Excess())
	case n == 0:
		return floor + "no more may go"
	default:
		return floor + fmt.Sprintf("%d more may go", n)
	}
}

// Losses describes how many serving objects a proposal deletes, and which pools
// it leaves without serving members; empty if neither is the case.
func Losses(p change.Proposal) string {
	var parts []string
	deleted := 0
	for _, c := range p.Plan.Changes {
		if c.After == nil && safety.Serves(*c.Before) {
			deleted++
		}
	}
	if deleted == 1 {
		parts = append(parts, "1 object that serves would be deleted")
	} else if deleted > 1 {
		parts = append(parts, fmt.Sprintf("%d objects that serve would be deleted", deleted))
	}
	for _, c := range p.Verdict.Capacity {
		if c.Mode != safety.None && c.Before > 0 && c.After == 0 && len(parts) < MaxLines {
			parts = append(parts, "nothing would serve in "+PoolName(c))
		}
	}
	return strings.Join(parts, "; ")
}
